"""Asking for TAPT, going on with it, and measuring what it was worth. The functions flush and never commit."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.adaptation.checks import check_tapt
from app.clips.leaks import refuse_leaks
from app.errors import ConflictError, InvalidError
from app.jobs import queue
from app.jobs.service import get_job
from app.models import Checkpoint, Clip, Job, JobState
from app.projects.service import get_project
from app.specs import as_json
from tapt.promotion import Guard
from tapt.recipe import TaptRecipe

UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
BROKEN_OFF = (JobState.FAILED, JobState.CANCELLED)


def adapt(session: Session, project_id: int, recipe: TaptRecipe, guard: Guard, *, now: datetime) -> Job:
    """Queue TAPT on the training clips the project has now: later imports do not change a run that resumes.

    Raises:
        NotFoundError: there is no such project.
        TaptRefusedError: the recipe does not fit the project's encoder.
        ConflictError: it has no training clip.
        LeakRefusedError: they share a speaker, session or recording with dev or test.
    """
    project = get_project(session, project_id)
    check_tapt(recipe, project.encoder)
    refuse_leaks(session, project)
    training = (Clip.project_id == project_id, Clip.split == "train")
    last_clip_id = session.execute(select(func.max(Clip.id)).where(*training)).scalar_one()
    if last_clip_id is None:
        raise ConflictError(f"project {project.name!r} has no training clip: import audio first")
    payload = {"recipe": as_json(recipe), "guard": asdict(guard), "last_clip_id": last_clip_id}
    return queue.enqueue(session, "adapt", project_id, payload, now=now)


def resume(session: Session, job_id: int, *, now: datetime) -> Job:
    """Queue a run again that failed or was cancelled: it goes on from its last state, on the clips it began with.

    Raises:
        NotFoundError: there is no such job.
        InvalidError: it is no TAPT run.
        ConflictError: it goes on already, or ended well.
    """
    job = get_job(session, job_id)
    if job.kind != "adapt":
        raise InvalidError(f"job {job_id} is a {job.kind} job: only TAPT is resumed, a round is retried")
    newest = attempts(session, job.project_id, run_of(job))[-1]
    if newest.state not in BROKEN_OFF:
        raise ConflictError(f"job {newest.id} of this run is {newest.state}: there is nothing to resume")
    payload = job.payload | {"run": run_of(job)}
    return queue.enqueue(session, "adapt", job.project_id, payload, now=now)


def request_verdict(
    session: Session, project_id: int, checkpoint_id: int | None, guard: Guard, *, now: datetime
) -> Job:
    """Queue a comparison of an adapted encoder, the newest unless named, with the one it would take the place of.

    Raises:
        NotFoundError: there is no such project.
        ConflictError: it has no such adapted encoder.
    """
    project = get_project(session, project_id)
    wanted = select(Checkpoint).where(Checkpoint.project_id == project_id, Checkpoint.kind == "encoder")
    if checkpoint_id is not None:
        wanted = wanted.where(Checkpoint.id == checkpoint_id)
    found = session.scalars(wanted.order_by(Checkpoint.id.desc()).limit(1)).one_or_none()
    if found is None:
        named = "no adapted encoder" if checkpoint_id is None else f"no adapted encoder {checkpoint_id}"
        raise ConflictError(f"project {project.name!r} has {named}: run TAPT first, or name one of its checkpoints")
    payload = {"checkpoint_id": found.id, "guard": asdict(guard)}
    return queue.enqueue(session, "evaluate_tapt", project_id, payload, now=now)


def guard_of(payload: dict[str, Any]) -> Guard:
    """The guard a job was queued with; jobs queued before there were guards say only whether to activate."""
    if "guard" in payload:
        return Guard(**payload["guard"])
    return Guard("always" if payload["activate"] else "never")


def run_of(job: Job) -> int:
    """The job that began the run of an `adapt` job, which names the run's folder: its own id unless it resumes."""
    return int(job.payload.get("run", job.id))


def attempts(session: Session, project_id: int, run: int | None = None) -> list[Job]:
    """The project's TAPT jobs in order, of one run or of all."""
    wanted = select(Job).where(Job.project_id == project_id, Job.kind == "adapt").order_by(Job.id)
    return [job for job in session.scalars(wanted) if run is None or run_of(job) == run]
