"""Snapshots: asked for, written by a job, served for ever. The functions that take a session flush and never commit."""

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import ConflictError, InvalidError, NotFoundError
from app.exports.formats import WHOLE, WITH_AUDIO, Format, write
from app.exports.source import What, frozen
from app.jobs import queue
from app.models import Job, JobState, Snapshot
from app.projects.service import get_project
from app.storage import Storage


class NotReadyError(ConflictError):
    """The snapshot is still being written."""

    name = "not_ready"


@dataclass(frozen=True, slots=True)
class Written:
    """A snapshot's bytes in the storage: their digest, their size, and how many rows they hold."""

    sha256: str
    size_bytes: int
    n: int


def request(
    session: Session, project_id: int, format: Format, what: What, audio: bool, *, now: datetime
) -> tuple[Snapshot, Job]:
    """A snapshot and the job that writes it.

    Raises:
        NotFoundError: there is no such project.
        InvalidError: audio is wanted in a format that cannot carry it.
    """
    get_project(session, project_id)
    if audio and format not in WITH_AUDIO:
        raise InvalidError(f"audio: {format} carries no audio; ask for {' or '.join(WITH_AUDIO)}")
    asked = Snapshot(
        project_id=project_id,
        format=format,
        what="everything" if format in WHOLE else what,
        audio=audio,
        created_at=now,
    )
    session.add(asked)
    session.flush()
    job = queue.enqueue(session, "export", project_id, {"snapshot_id": asked.id, "what": what}, now=now)
    asked.job_id = job.id
    session.flush()
    return asked, job


def build(
    database: Database, storage: Storage, project_id: int, format: Format, what: What, audio: bool = False
) -> Written:
    """Write what the project holds now into the storage: one moment, constant memory, the same bytes for the same rows.

    Raises:
        NotFoundError: there is no such project.
        StorageError: the disk is full.
    """
    storage.check_writable()
    with tempfile.TemporaryDirectory(dir=storage.root / "tmp") as folder:
        place = Path(folder) / "export"
        with place.open("w+b") as target, frozen(database, project_id, storage if audio else None) as source:
            n = write(source, what, format, target)
        return Written(storage.put(place), place.stat().st_size, n)


def finish(session: Session, snapshot_id: int, written: Written, *, now: datetime) -> None:
    """Say where the snapshot is. From now on it never changes."""
    snapshot = session.get_one(Snapshot, snapshot_id)
    snapshot.sha256, snapshot.size_bytes, snapshot.n = written.sha256, written.size_bytes, written.n
    snapshot.finished_at = now
    session.flush()


def get_snapshot(session: Session, snapshot_id: int) -> tuple[Snapshot, Job | None]:
    """The snapshot and its job, while that is kept; NotFoundError when there is none."""
    found = session.get(Snapshot, snapshot_id)
    if found is None:
        raise NotFoundError(f"there is no export {snapshot_id}")
    return found, session.get(Job, found.job_id) if found.job_id else None


def list_snapshots(session: Session, project_id: int, after: int, limit: int) -> list[tuple[Snapshot, Job | None]]:
    """The project's snapshots in order of id; NotFoundError when there is no such project."""
    get_project(session, project_id)
    wanted = (
        select(Snapshot, Job)
        .outerjoin(Job, Job.id == Snapshot.job_id)
        .where(Snapshot.project_id == project_id, Snapshot.id > after)
        .order_by(Snapshot.id)
        .limit(limit)
    )
    return [(snapshot, job) for snapshot, job in session.execute(wanted)]


def ready(session: Session, snapshot_id: int) -> tuple[Snapshot, str]:
    """A snapshot that can be served, and its digest; NotReadyError or ConflictError while or because it cannot."""
    found, job = get_snapshot(session, snapshot_id)
    if found.sha256 is not None:
        return found, found.sha256
    if job is not None and job.state in (JobState.QUEUED, JobState.RUNNING):
        raise NotReadyError(
            f"export {snapshot_id} is not written yet (job {job.id} is {job.state}): ask again in a moment"
        )
    why = (job.error or {}).get("detail", job.state) if job is not None else "its job is gone"
    raise ConflictError(f"export {snapshot_id} was not written ({why}): ask for a new one")
