"""The queue: enqueue in the caller's transaction, claim, heartbeat, report, finish.

A claim is one atomic statement. It takes the oldest queued job of a project in which nothing runs, or a running job
whose lease expired, and raises `fence`. Every later write names the fence, so a worker that was taken for dead is
refused (`LeaseLostError`) and cannot overwrite its successor. A job that ends badly ends its round in the same
transaction. The functions flush and never commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import CursorResult, Select, and_, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.models import OPEN_STATES, Job, JobEvent, JobState, Round, RoundState
from app.webhooks.outbox import EventKind, emit

Kind = Literal[
    "embed",
    "adapt",
    "acquire",
    "fine_tune",
    "evaluate",
    "examine",
    "predict",
    "import_corpus",
    "export",
    "import_annotations",
    "label_studio",
    "evaluate_tapt",
    "replay",
]
Pulse = Literal["beating", "cancel", "lost"]


class LeaseLostError(RuntimeError):
    """Another worker holds the job now, or it has ended: this holder's writes are refused."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as its holder sees it."""

    job_id: int
    fence: int
    kind: str
    project_id: int
    round_id: int | None
    payload: dict[str, Any]


def enqueue(
    session: Session,
    kind: Kind,
    project_id: int,
    payload: Mapping[str, Any] | None = None,
    round_id: int | None = None,
    *,
    now: datetime,
) -> Job:
    """Queue a job in the caller's transaction: it exists exactly if the caller's other rows do.

    An `embed` job that already waits is returned instead of a second one, and stays locked until the caller commits, so
    that no worker runs it before the caller's clips can be seen.
    """
    row = {
        "project_id": project_id,
        "round_id": round_id,
        "kind": kind,
        "state": JobState.QUEUED,
        "payload": dict(payload or {}),
        "progress": {},
        "attempts": 0,
        "max_attempts": 3,
        "fence": 0,
        "cancel_requested": False,
        "created_at": now,
    }
    if kind != "embed":
        job_id = session.execute(insert(Job).values(row).returning(Job.id)).scalar_one()
    else:
        job_id = session.execute(_insert_or_lock(session, row)).scalar_one()
    return session.get_one(Job, job_id, populate_existing=True)


def _insert_or_lock(session: Session, row: dict[str, Any]) -> Any:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    waiting = text("state = 'queued' AND kind = 'embed'")
    statement = dialect.insert(Job).values(row)
    return statement.on_conflict_do_update(
        index_elements=["project_id"], index_where=waiting, set_={"kind": "embed"}
    ).returning(Job.id)


def _claimable(now: datetime) -> Select[Any]:
    candidate, other = aliased(Job), aliased(Job)
    busy = exists().where(other.project_id == candidate.project_id, other.state == JobState.RUNNING)
    return (
        select(candidate.id)
        .where(
            or_(
                and_(candidate.state == JobState.QUEUED, ~busy),
                and_(candidate.state == JobState.RUNNING, candidate.expires_at < now),
            )
        )
        .order_by(candidate.id)
        .limit(1)
    )


def any_claimable(session: Session, *, now: datetime) -> bool:
    """Whether a claim would find something: an idle worker asks this first, so that it does not take the write lock."""
    return session.execute(_claimable(now)).first() is not None


def claim(session: Session, worker: str, lease_s: float, *, now: datetime) -> Claim | None:
    """Take one job for `lease_s` seconds, or None when there is nothing to do."""
    _bury_the_hopeless(session, now)
    chosen = _claimable(now).with_for_update(skip_locked=True).scalar_subquery()
    statement = (
        update(Job)
        .where(Job.id == chosen)
        .values(
            state=JobState.RUNNING,
            fence=Job.fence + 1,
            attempts=Job.attempts + 1,
            worker=worker,
            expires_at=now + timedelta(seconds=lease_s),
            started_at=func.coalesce(Job.started_at, now),
        )
        .returning(Job.id, Job.fence, Job.kind, Job.project_id, Job.round_id, Job.payload)
        .execution_options(synchronize_session=False)
    )
    try:
        with session.begin_nested():
            row = session.execute(statement).first()
    except IntegrityError:  # on PostgreSQL another worker began a job of this project in the same instant
        return None
    return None if row is None else Claim(*row)


def _bury_the_hopeless(session: Session, now: datetime) -> None:
    """End expired jobs that were cancelled, or whose workers died too often to try again."""
    expired = (Job.state == JobState.RUNNING, Job.expires_at < now)
    rows = session.execute(
        select(Job.id, Job.fence, Job.attempts, Job.cancel_requested)
        .where(*expired, or_(Job.cancel_requested, Job.attempts >= Job.max_attempts))
        .with_for_update(skip_locked=True)
    ).all()
    for job_id, fence, attempts, cancel_requested in rows:
        if cancel_requested:
            cancelled(session, job_id, fence, now=now)
        else:
            detail = f"the worker died {attempts} times while it ran this job; its log says where"
            fail(session, job_id, fence, "WorkerDiedError", detail, now=now)


def _held(job_id: int, fence: int) -> tuple[Any, ...]:
    return (Job.id == job_id, Job.fence == fence, Job.state == JobState.RUNNING)


def _write_held(session: Session, job_id: int, fence: int, **values: Any) -> None:
    statement = update(Job).where(*_held(job_id, fence)).values(**values).execution_options(synchronize_session=False)
    outcome = session.execute(statement)
    assert isinstance(outcome, CursorResult)
    if outcome.rowcount == 0:
        raise LeaseLostError(f"job {job_id}: fence {fence} no longer holds it")


def heartbeat(session: Session, job_id: int, fence: int, lease_s: float, *, now: datetime) -> Pulse:
    """Extend the lease; say whether to go on, to stop because a cancel was requested, or that the lease is lost."""
    cancel_requested = session.execute(
        update(Job)
        .where(*_held(job_id, fence))
        .values(expires_at=now + timedelta(seconds=lease_s))
        .returning(Job.cancel_requested)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if cancel_requested is None:
        return "lost"
    return "cancel" if cancel_requested else "beating"


def check_held(session: Session, job_id: int, fence: int) -> None:
    """Lock the job's row; LeaseLostError unless this fence holds it. Called first in a transaction of results."""
    held = session.execute(select(Job.id).where(*_held(job_id, fence)).with_for_update()).first()
    if held is None:
        raise LeaseLostError(f"job {job_id}: fence {fence} no longer holds it")


def report(session: Session, job_id: int, fence: int, progress: Mapping[str, Any], *, now: datetime) -> None:
    """Store the latest progress and append it to the job's events."""
    _write_held(session, job_id, fence, progress=dict(progress))
    session.execute(insert(JobEvent).values(job_id=job_id, report=dict(progress), created_at=now))


def finish(session: Session, job_id: int, fence: int, result: Mapping[str, Any], *, now: datetime) -> None:
    """End a job well."""
    _end(session, job_id, fence, JobState.SUCCEEDED, now, result=dict(result))


def fail(session: Session, job_id: int, fence: int, name: str, detail: str, *, now: datetime) -> None:
    """End a job with a named error; its round fails with the same sentence and can be retried."""
    _end(session, job_id, fence, JobState.FAILED, now, error={"name": name, "detail": detail})
    _end_round(session, job_id, RoundState.FAILED, f"{name}: {detail}", now)


def cancelled(session: Session, job_id: int, fence: int, *, now: datetime) -> None:
    """End a job that was asked to stop; its round is cancelled."""
    _end(session, job_id, fence, JobState.CANCELLED, now)
    _end_round(session, job_id, RoundState.CANCELLED, "cancelled on request", now)


def hand_back(session: Session, job_id: int, fence: int, *, attempt_counts: bool, now: datetime) -> None:
    """Let the next claim take the job at once. The attempt counts when its process died, not when the worker stops."""
    attempts = Job.attempts if attempt_counts else Job.attempts - 1
    _write_held(session, job_id, fence, expires_at=now - timedelta(seconds=1), attempts=attempts)


def request_cancel(session: Session, job_id: int, *, now: datetime) -> bool:
    """Cancel a waiting job at once, or ask the holder of a running one to stop. False when the job has ended."""
    waiting = (Job.id == job_id, Job.state == JobState.QUEUED)
    outcome = session.execute(update(Job).where(*waiting).values(state=JobState.CANCELLED, finished_at=now))
    assert isinstance(outcome, CursorResult)
    if outcome.rowcount:
        session.execute(insert(JobEvent).values(job_id=job_id, report={"state": JobState.CANCELLED}, created_at=now))
        _end_round(session, job_id, RoundState.CANCELLED, "cancelled on request", now)
        return True
    running = (Job.id == job_id, Job.state == JobState.RUNNING)
    outcome = session.execute(update(Job).where(*running).values(cancel_requested=True))
    assert isinstance(outcome, CursorResult)
    return outcome.rowcount > 0


def _end(session: Session, job_id: int, fence: int, state: JobState, now: datetime, **values: Any) -> None:
    _write_held(session, job_id, fence, state=state, finished_at=now, expires_at=None, **values)
    session.execute(insert(JobEvent).values(job_id=job_id, report={"state": state, **values}, created_at=now))


def _end_round(session: Session, job_id: int, state: RoundState, sentence: str, now: datetime) -> None:
    round_id = select(Job.round_id).where(Job.id == job_id).scalar_subquery()
    ended = session.execute(
        update(Round)
        .where(Round.id == round_id, Round.state.in_(OPEN_STATES))
        .values(state=state, error=sentence, finished_at=now)
        .returning(Round.id, Round.project_id, Round.number)
        .execution_options(synchronize_session=False)
    ).first()
    if ended is not None:
        kind: EventKind = "round.failed" if state == RoundState.FAILED else "round.cancelled"
        said = {"round_id": ended.id, "number": ended.number, "error": sentence}
        emit(session, ended.project_id, kind, said, now=now)
