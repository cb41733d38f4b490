"""The open round's clips to Label Studio: each once, in the queue's order, and back what nobody answered.

A push may be killed anywhere and run again: a task that reached Label Studio and was not remembered here is found there
by the clip it carries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, insert, select
from sqlalchemy.orm import Session

from app.annotations.settings import read_annotating
from app.db import Database, utcnow
from app.exports.records import Record
from app.label_studio.audio import address
from app.label_studio.client import LabelStudio
from app.label_studio.results import META
from app.label_studio.service import link_of
from app.label_studio.tasks import Json, blind_task
from app.models import (
    Assignment,
    AssignmentState,
    Guess,
    Kind,
    LabelStudioLink,
    LabelStudioTask,
    Project,
    Round,
    RoundState,
)

TASKS_A_BATCH = 100
_WAITS = (AssignmentState.OPEN, AssignmentState.LEASED)


@dataclass(frozen=True, slots=True)
class Pushed:
    """Tasks that are new there, that were there, that were taken back; and how many of the new carry a guess."""

    created: int = 0
    unchanged: int = 0
    removed: int = 0
    predictions: int = 0


def push(database: Database, project_id: int, allow_private: bool = False) -> Iterator[Pushed]:
    """Give Label Studio every clip the open round asks about; the last report is complete.

    Guesses go along only where the project shows them to its own annotators too.

    Raises:
        NotFoundError: there is no such project, or it is not connected.
        LabelStudioError: the server cannot be asked, or refuses.
    """
    with database.read() as session:
        link = link_of(session, project_id)
        wanted, overlap = _wanted(session, project_id)
        with_guesses = read_annotating(session.get_one(Project, project_id).annotating).preannotations
    there = LabelStudio(link.url, link.token, allow_private).signed_in()
    known = _adopt(database, link, there)
    new = [clip_id for clip_id in wanted if clip_id not in known]
    report = Pushed(unchanged=len(wanted) - len(new))
    yield report
    if overlap:
        there.change_project(link.their_project, maximum_annotations=overlap, show_collab_predictions=with_guesses)
    for begin in range(0, len(new), TASKS_A_BATCH):
        batch = new[begin : begin + TASKS_A_BATCH]
        with database.read() as session:
            guesses = _guesses(session, batch) if with_guesses else {}
        tasks = [_task(link, clip_id, guesses.get(clip_id)) for clip_id in batch]
        ids = there.add_tasks(link.their_project, tasks)
        with database.write() as session:
            _remember(session, link.id, dict(zip(batch, ids, strict=True)), guesses)
        report = Pushed(
            report.created + len(batch), report.unchanged, report.removed, report.predictions + len(guesses)
        )
        yield report


def retract(database: Database, project_id: int, allow_private: bool = False) -> Iterator[Pushed]:
    """Take back the tasks nobody answered whose clips are not asked about any more."""
    with database.read() as session:
        link = link_of(session, project_id)
        waiting = exists().where(
            Assignment.clip_id == LabelStudioTask.clip_id,
            Assignment.project_id == project_id,
            Assignment.kind == Kind.ANSWER,
            Assignment.state.in_(_WAITS),
        )
        given = select(LabelStudioTask.their_task).where(LabelStudioTask.link_id == link.id, ~waiting)
        idle = set(session.scalars(given))
    there = LabelStudio(link.url, link.token, allow_private).signed_in()
    report = Pushed()
    for task in list(there.tasks(link.their_project)):
        if int(task["id"]) in idle and not task.get("total_annotations") and not task.get("cancelled_annotations"):
            there.delete_task(int(task["id"]))
            with database.write() as session:
                session.query(LabelStudioTask).filter_by(link_id=link.id, their_task=int(task["id"])).delete()
            report = Pushed(removed=report.removed + 1)
    yield report


def _wanted(session: Session, project_id: int) -> tuple[list[int], int]:
    """The clips the open round waits for, in order, and how many answers it wants of each."""
    turn = session.scalar(select(Round).where(Round.project_id == project_id, Round.state == RoundState.ANNOTATING))
    if turn is None:
        return [], 0
    first = func.min(Assignment.position)
    asked = select(Assignment.clip_id).where(
        Assignment.round_id == turn.id, Assignment.kind == Kind.ANSWER, Assignment.state.in_(_WAITS)
    )
    return list(session.scalars(asked.group_by(Assignment.clip_id).order_by(first))), turn.overlap


def _adopt(database: Database, link: LabelStudioLink, there: LabelStudio) -> set[int]:
    """The clips that are there; what a killed push did not remember is remembered now, what is gone is forgotten."""
    with database.read() as session:
        rows = session.execute(
            select(LabelStudioTask.clip_id, LabelStudioTask.their_task).where(LabelStudioTask.link_id == link.id)
        )
        known = {row.clip_id: row.their_task for row in rows}
    found: dict[int, int] = {}
    for task in there.tasks(link.their_project):
        ours = (task.get("data") or {}).get(META)
        clip_id = ours.get("clip_id") if isinstance(ours, dict) else None
        if isinstance(clip_id, int):
            found.setdefault(clip_id, int(task["id"]))
    lost = {clip_id: task for clip_id, task in found.items() if clip_id not in known}
    with database.write() as session:
        ours_now = set(session.scalars(select(Assignment.clip_id).where(Assignment.project_id == link.project_id)))
        _remember(session, link.id, {clip_id: task for clip_id, task in lost.items() if clip_id in ours_now}, {})
        gone = [clip_id for clip_id in known if clip_id not in found]
        for clip_id in gone:
            session.query(LabelStudioTask).filter_by(link_id=link.id, clip_id=clip_id).delete()
    return set(found)


def _remember(session: Session, link_id: int, tasks: dict[int, int], guesses: dict[int, Record]) -> None:
    rows = [
        {
            "link_id": link_id,
            "clip_id": clip_id,
            "their_task": task,
            "shown": guesses.get(clip_id),
            "created_at": utcnow(),
        }
        for clip_id, task in tasks.items()
    ]
    if rows:
        session.execute(insert(LabelStudioTask), rows)


def _task(link: LabelStudioLink, clip_id: int, guess: Record | None) -> Json:
    return blind_task(clip_id, address(link.our_url, link.id, link.secret, clip_id), guess)


def _guesses(session: Session, clip_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = session.scalars(select(Guess).where(Guess.clip_id.in_(clip_ids)))
    return {
        guess.clip_id: {
            "checkpoint_id": guess.checkpoint_id,
            "label": guess.label,
            "probabilities": guess.probabilities,
        }
        for guess in rows
    }
