"""What TAPT has done in a project: runs over their attempts, verdicts, and what is said of them on rounds. Reads only.

A verdict is kept in its checkpoint's `report`, the newest last, with the moment it was given.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.adaptation.schemas import TaptOut, TaptRun
from app.adaptation.service import BROKEN_OFF, UNFINISHED, attempts, run_of
from app.jobs.schemas import JobOut
from app.models import Checkpoint, Job, Round
from app.projects.service import get_project

LONGEST = 50  # runs in an overview; older ones are among the checkpoints


def overview(session: Session, project_id: int) -> TaptOut:
    """Every run with its newest attempt, its checkpoint and its newest verdict; NotFoundError without the project."""
    project = get_project(session, project_id)
    made = {encoder.folder: encoder for encoder in _encoders(session, project_id)}
    tries: dict[int, list[Job]] = {}
    for attempt in attempts(session, project_id):
        tries.setdefault(run_of(attempt), []).append(attempt)
    runs = []
    for run in sorted(tries, reverse=True)[:LONGEST]:
        job, checkpoint = tries[run][-1], made.get(folder_of(run))
        runs.append(
            TaptRun(
                run=run,
                job=JobOut.model_validate(job),
                attempts=[attempt.id for attempt in tries[run]],
                objective=job.payload["recipe"]["objective"]["kind"],
                resumable=job.state in BROKEN_OFF,
                checkpoint_id=None if checkpoint is None else checkpoint.id,
                in_use=checkpoint is not None and project.encoder_checkpoint_id == checkpoint.id,
                verdict=None if checkpoint is None else newest_verdict(checkpoint),
            )
        )
    measuring = select(Job).where(
        Job.project_id == project_id, Job.kind == "evaluate_tapt", Job.state.in_(UNFINISHED)
    )  # fmt: skip
    waiting = session.scalars(measuring.order_by(Job.id).limit(1)).one_or_none()
    return TaptOut(
        runs=runs,
        measuring=None if waiting is None else JobOut.model_validate(waiting),
        encoder_checkpoint_id=project.encoder_checkpoint_id,
    )


def folder_of(run: int) -> str:
    """The folder of a run, relative to the data folder: its states while it goes on, its encoder in the end."""
    return f"checkpoints/adapt-{run}"


def newest_verdict(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The last verdict on an adapted encoder; None before there is one."""
    verdicts: list[dict[str, Any]] = checkpoint.report.get("verdicts", [])
    return verdicts[-1] if verdicts else None


def notes_on(session: Session, project_id: int, rounds: Sequence[Round]) -> dict[int, str]:
    """What each round is told of TAPT, by round: the newest verdict before it opened, and whose encoder it used.

    A round that has not chosen its clips yet, and one before any verdict, are told nothing.
    """
    encoders = _encoders(session, project_id)
    judged = sorted(
        (
            (datetime.fromisoformat(verdict["judged_at"]), encoder.id, verdict["sentence"], encoder.encoder_digest)
            for encoder in encoders
            for verdict in encoder.report.get("verdicts", [])
        ),
        key=lambda one: one[:2],
    )
    notes = {}
    for turn in rounds:
        before = [one for one in judged if one[0] <= turn.created_at]
        if turn.encoder_digest is None or not before:
            continue
        _, checkpoint_id, sentence, digest = before[-1]
        used = "used here" if turn.encoder_digest == digest else "not used here"
        notes[turn.id] = f"TAPT, checkpoint {checkpoint_id}, {used}: {sentence}"
    return notes


def _encoders(session: Session, project_id: int) -> list[Checkpoint]:
    wanted = select(Checkpoint).where(Checkpoint.project_id == project_id, Checkpoint.kind == "encoder")
    return list(session.scalars(wanted.order_by(Checkpoint.id)))
