"""Leasing, answering and skipping clips. The functions flush and never commit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.annotations import leases, statements
from app.annotations.leases import LeaseId
from app.annotations.schemas import AnnotationOut, RoundNow, SkipReason
from app.annotations.statements import run
from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import RoundState
from app.rounds import service as rounds

OUT_FOR_EVERYBODY = (SkipReason.BAD_AUDIO, SkipReason.NOT_SPEECH)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an annotator sends for one lease: a label, or the reason of a skip."""

    lease: LeaseId
    label: str | None
    skip_reason: SkipReason | None
    comment: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The annotation as first stored; `repeated` when this request only asked again."""

    annotation: AnnotationOut
    repeated: bool


@dataclass(frozen=True, slots=True)
class ProjectNow:
    """What leasing needs of a project."""

    lease_s: float
    round: RoundNow | None
    remaining: int


@dataclass(frozen=True, slots=True)
class ClipToHear:
    """What a page needs of a leased clip besides its audio."""

    duration_s: float
    peaks: list[float]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An assignment with what its project says about answers."""

    project_id: int
    round_id: int
    clip_id: int
    fence: int
    scheme: dict[str, Any]
    lease_s: float


def project_now(session: Session, project_id: int) -> ProjectNow:
    """The lease time, the newest round and what it waits for; NotFoundError when there is no such project."""
    row = run(session, statements.PROJECT_NOW, of_project=project_id).first()
    if row is None:
        raise NotFoundError(f"there is no project {project_id}")
    newest = None if row.id is None else RoundNow(id=row.id, number=row.number, state=RoundState(row.state))
    return ProjectNow(row.lease_s, newest, run(session, statements.REMAINING, of_project=project_id).scalar_one())


def clips_of(session: Session, held: list[leases.Lease]) -> dict[int, ClipToHear]:
    """The leased clips by id."""
    rows = run(session, statements.CLIPS, clip_ids=[lease.clip_id for lease in held])
    return {row.id: ClipToHear(round(row.end_s - row.start_s, 3), row.peaks) for row in rows}


def heartbeat(session: Session, lease: LeaseId, account_id: int, *, now: datetime) -> leases.Lease:
    """Extend a lease by the project's lease time."""
    return leases.heartbeat(session, lease, account_id, _find(session, lease).lease_s, now=now)


def release(session: Session, lease: LeaseId, account_id: int) -> None:
    """Give a clip back unanswered."""
    _find(session, lease)
    leases.release(session, lease, account_id)


def answer(session: Session, given: Answer, account_id: int, key: str, *, now: datetime) -> Stored:
    """Append an annotation or a skip and end the lease; the last answer of a round moves it to fine-tuning.

    Raises:
        NotFoundError: there is no such lease.
        InvalidError: the label is not in the scheme.
        LeaseLostError: somebody else holds the clip now, it was answered, or the round closed.
        ConflictError: the idempotency key was used for another answer.
    """
    leases.one_request_at_a_time(session, account_id)
    first = _first_answer(session, given, account_id, key)
    if first is not None:
        return Stored(first, repeated=True)
    asked = _find(session, given.lease)
    _require_in_scheme(given.label, asked.scheme["classes"])
    rounds.lock(session, asked.round_id)
    _end_lease(session, given, account_id)
    annotation = _append(session, given, asked, account_id, key, now)
    if given.skip_reason in OUT_FOR_EVERYBODY:
        run(session, statements.TAKE_CLIP_OUT, of_round=asked.round_id, clip=asked.clip_id)
    # assignments of rounds that are not open are done or out, so those that wait are this round's
    if not run(session, statements.ANYTHING_WANTED, of_project=asked.project_id).scalar_one():
        rounds.start_fine_tuning(session, asked.round_id, now=now)
    return Stored(annotation, repeated=False)


def _first_answer(session: Session, given: Answer, account_id: int, key: str) -> AnnotationOut | None:
    """What this key stored before; ConflictError when it was another answer."""
    stored = run(session, statements.FIRST_ANSWER, me=account_id, key=key).first()
    if stored is None:
        return None
    sent = (given.lease.assignment, given.lease.fence, given.label, given.skip_reason, given.comment, given.seconds)
    if sent != (stored.assignment_id, stored.fence, stored.label, stored.skip_reason, stored.comment, stored.seconds):
        raise ConflictError(f"Idempotency-Key {key!r} was used for another answer: send a new key with a new answer")
    return AnnotationOut.model_validate(stored, from_attributes=True)


def _find(session: Session, lease: LeaseId) -> _Asked:
    row = run(session, statements.ASSIGNMENT, assignment=lease.assignment).first()
    if row is None or not 1 <= lease.fence <= row.fence:
        raise NotFoundError(f"there is no lease {lease}")
    return _Asked(row.project_id, row.round_id, row.clip_id, row.fence, row.scheme, row.lease_s)


def _require_in_scheme(label: str | None, classes: list[str]) -> None:
    if label is not None and label not in classes:
        raise InvalidError(f"label {label!r} is not in the scheme: answer with one of {', '.join(classes)}")


def _end_lease(session: Session, given: Answer, account_id: int) -> None:
    """leased → done; a skip puts the assignment back, or out for everybody. Compare-and-set on the fence."""
    if given.skip_reason is None:
        statement = statements.FINISH
    else:
        statement = statements.TAKE_OUT if given.skip_reason in OUT_FOR_EVERYBODY else statements.REOPEN
    held = {"assignment": given.lease.assignment, "held_fence": given.lease.fence, "me": account_id}
    if run(session, statement, **held).first() is None:
        raise leases.lost(given.lease)


def _append(session: Session, given: Answer, asked: _Asked, account_id: int, key: str, now: datetime) -> AnnotationOut:
    said = {
        "clip_id": asked.clip_id,
        "label": given.label,
        "skip_reason": given.skip_reason,
        "comment": given.comment,
        "seconds": given.seconds,
        "created_at": now,
    }
    kept = {
        "project_id": asked.project_id,
        "assignment_id": given.lease.assignment,
        "account_id": account_id,
        "fence": given.lease.fence,
        "idempotency_key": key,
    }
    annotation_id = run(session, statements.APPEND, **said, **kept).scalar_one()
    return AnnotationOut.model_validate({"id": annotation_id, **said})
