"""Reading and cancelling jobs. The functions flush and never commit."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import ConflictError, NotFoundError
from app.jobs import queue
from app.models import Job, JobEvent, JobState
from app.projects.service import get_project


def get_job(session: Session, job_id: int) -> Job:
    """The job; NotFoundError when there is none."""
    found = session.get(Job, job_id)
    if found is None:
        raise NotFoundError(f"there is no job {job_id}")
    return found


def list_jobs(
    session: Session, project_id: int | None, kind: str | None, state: JobState | None, after: int, limit: int
) -> list[Job]:
    """Jobs in order of id, of one project or of all."""
    wanted = select(Job).where(Job.id > after).order_by(Job.id).limit(limit)
    if project_id is not None:
        get_project(session, project_id)
        wanted = wanted.where(Job.project_id == project_id)
    if kind is not None:
        wanted = wanted.where(Job.kind == kind)
    if state is not None:
        wanted = wanted.where(Job.state == state)
    return list(session.scalars(wanted))


def events(session: Session, job_id: int, after: int, limit: int = 500) -> list[JobEvent]:
    """The job's reports after an event id, in order."""
    wanted = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after).order_by(JobEvent.id)
    return list(session.scalars(wanted.limit(limit)))


def file_of(session: Session, job_id: int) -> str:
    """Path of the file the job made, relative to the data folder; NotFoundError when it made none."""
    file = (get_job(session, job_id).result or {}).get("file")
    if file is None:
        raise NotFoundError(f"job {job_id} made no file: only a predict job that succeeded has one")
    return str(file)


def cancel(session: Session, job_id: int, *, now: datetime) -> Job:
    """End a waiting job, or ask a running one to stop; ConflictError when it has ended."""
    found = get_job(session, job_id)
    if not queue.request_cancel(session, job_id, now=now):
        raise ConflictError(f"job {job_id} has ended ({found.state}): there is nothing to cancel")
    session.refresh(found)
    return found
