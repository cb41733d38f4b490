"""Jobs: long work, queued in the transaction that wants it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class JobState(StrEnum):
    """queued → running → succeeded | failed | cancelled; an expired lease puts a running job back in the queue."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_WAITING_EMBED = "state = 'queued' AND kind = 'embed'"
_RUNNING = "state = 'running'"


class Job(Base):
    """One piece of long work, held by one worker at a time under a lease that its heartbeat extends.

    `fence` grows with every claim; every write of a holder names it, so a worker that was taken for dead cannot
    overwrite its successor. A project has at most one embed job waiting: it embeds whatever is missing when it runs.
    Jobs of one project run one at a time, whatever their kind and however many workers there are.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
        Index("ix_jobs_queue", "state", "id"),
        Index(
            "uq_jobs_one_waiting_embed",
            "project_id",
            unique=True,
            sqlite_where=text(_WAITING_EMBED),
            postgresql_where=text(_WAITING_EMBED),
        ),
        Index(
            "uq_jobs_one_running",
            "project_id",
            unique=True,
            sqlite_where=text(_RUNNING),
            postgresql_where=text(_RUNNING),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    payload: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    fence: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobEvent(Base):
    """One report of a running job, in order: what `GET /jobs/{id}/events` streams and resumes from."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    report: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
