"""Taking back and revising: the event stays, another one supersedes it.

An undone clip comes back to its annotator as a lease of his. That needs its round to be annotating and the clip to be
nobody else's; when it is too late, an answer can still be revised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, exists, insert, select, update
from sqlalchemy.orm import Session

from app.annotations import leases
from app.annotations.closing import hold_open
from app.annotations.leases import Lease, LeaseId
from app.annotations.locks import lock_clips
from app.annotations.settings import ADJUDICATION, SkipPolicy
from app.errors import ConflictError
from app.labels.given import is_live
from app.models import Annotation, Assignment, AssignmentState, Kind, Qualification
from app.webhooks.outbox import emit

_LIVE = (AssignmentState.OPEN, AssignmentState.LEASED, AssignmentState.DONE)


@dataclass(frozen=True, slots=True)
class Undone:
    """The clips that came back, the newest answer first, and the events that were taken back."""

    leases: list[Lease]
    withdrawn: list[int]


class NothingToUndoError(ConflictError):
    """The newest answer cannot be taken back."""

    name = "nothing_to_undo"


def undo(
    session: Session, project_id: int, account_id: int, count: int, key: str, lease_s: float, *, now: datetime
) -> Undone:
    """Take back the annotator's newest answers and skips, `count` at most, until one cannot come back.

    Repeating the key changes nothing and returns what the first time returned, as far as it is still held.

    Raises:
        NothingToUndoError: the newest cannot; the sentence says why.
    """
    leases.one_request_at_a_time(session, account_id)
    before = _undone_before(session, account_id, count, key)
    if before:
        held = leases.held(session, project_id, account_id)
        back = {withdrawal.assignment_id: withdrawal.supersedes_id for withdrawal in before}
        mine = [lease for lease in held if lease.id.assignment in back]
        return Undone(mine, [withdrawal.supersedes_id for withdrawal in before])
    taken: list[Lease] = []
    withdrawn: list[int] = []
    newest = _newest(session, project_id, account_id, count)
    lock_clips(session, [event.clip_id for event in newest])
    for event in newest:
        try:
            lease = _take_back(session, event, account_id, now + timedelta(seconds=lease_s))
        except ConflictError:
            if not taken:
                raise
            break
        session.execute(insert(Annotation), [_withdrawal(event, f"{key}#{len(taken)}", now)])
        who = {"clip_id": event.clip_id, "account_id": account_id, "annotation_id": event.id}
        emit(session, project_id, "annotation.withdrawn", who)
        taken.append(lease)
        withdrawn.append(event.id)
    if not taken:
        raise NothingToUndoError("you have answered and skipped nothing here that could be taken back")
    return Undone(leases.with_clips(session, taken), withdrawn)


def _undone_before(session: Session, account_id: int, count: int, key: str) -> Sequence[Any]:
    keys = [f"{key}#{i}" for i in range(count)]
    found = select(Annotation.assignment_id, Annotation.supersedes_id)
    found = found.where(Annotation.account_id == account_id, Annotation.idempotency_key.in_(keys))
    return session.execute(found.order_by(Annotation.id)).all()


def _newest(session: Session, project_id: int, account_id: int, count: int) -> Sequence[Any]:
    """The annotator's live events, newest first, each with its assignment."""
    return session.execute(
        select(
            Annotation.id,
            Annotation.kind,
            Annotation.effect,
            Annotation.scheme_version,
            Annotation.assignment_id,
            Annotation.fence,
            Annotation.project_id,
            Annotation.clip_id,
            Annotation.account_id,
            Assignment.round_id,
            Assignment.slot,
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .where(Annotation.project_id == project_id, Annotation.account_id == account_id, is_live())
        .order_by(Annotation.id.desc())
        .limit(count)
    ).all()


def _take_back(session: Session, event: Row[Any], account_id: int, ends_at: datetime) -> Lease:
    """Make the event's assignment a lease of its annotator again."""
    if event.round_id is not None:
        try:
            hold_open(session, event.round_id)
        except ConflictError as error:
            raise NothingToUndoError(f"{error.detail}; revise the answer instead") from error
    if event.kind == Kind.QUALIFICATION and _decided(session, event):
        raise NothingToUndoError("your qualification is decided: its answers stay as they are")
    if event.effect == SkipPolicy.LATER and _has_it_again(session, event):
        raise NothingToUndoError(f"clip {event.clip_id}, which you put off, is with you again: answer it")
    if event.effect == SkipPolicy.OTHERS and event.kind == Kind.ANSWER:
        _recall(session, event)
    row = session.execute(
        update(Assignment)
        .where(Assignment.id == event.assignment_id, *_as_left(event.effect, account_id))
        .values(state=AssignmentState.LEASED, account_id=account_id, fence=Assignment.fence + 1, expires_at=ends_at)
        .returning(Assignment.id, Assignment.fence, Assignment.clip_id, Assignment.position, Assignment.kind)
        .execution_options(synchronize_session=False)
    ).first()
    if row is None:
        raise _taken(event)
    if event.effect in (SkipPolicy.OUT, ADJUDICATION):
        _reopen_slots(session, event)
    shown = session.execute(select(Assignment.shown).where(Assignment.id == row.id)).scalar_one()
    return Lease(LeaseId(row.id, row.fence), row.clip_id, ends_at, row.position, row.kind, shown=shown)


def _as_left(effect: str | None, account_id: int) -> tuple[Any, ...]:
    """How the event left its assignment; a row in another state is somebody else's by now."""
    if effect is None:
        return Assignment.state == AssignmentState.DONE, Assignment.account_id == account_id
    if effect in (SkipPolicy.OTHERS, ADJUDICATION):
        return Assignment.state == AssignmentState.SKIPPED, Assignment.account_id == account_id
    if effect == SkipPolicy.LATER:
        return (Assignment.state == AssignmentState.OPEN,)
    return (Assignment.state == AssignmentState.OUT,)


def _has_it_again(session: Session, event: Row[Any]) -> bool:
    """Whether the annotator took another of the clip's places after putting the clip off."""
    another = exists().where(
        Assignment.id != event.assignment_id,
        Assignment.clip_id == event.clip_id,
        Assignment.account_id == event.account_id,
        Assignment.round_id == event.round_id,
        Assignment.kind == event.kind,
    )
    return session.execute(select(another)).scalar_one()


def _recall(session: Session, event: Row[Any]) -> None:
    """Take the row that a skip opened for others out again; it must still wait."""
    opened = (
        Assignment.project_id == event.project_id,
        Assignment.round_id == event.round_id,
        Assignment.clip_id == event.clip_id,
        Assignment.slot == event.slot,
        Assignment.kind == Kind.ANSWER,
    )
    found = session.execute(
        update(Assignment)
        .where(*opened, Assignment.state == AssignmentState.OPEN)
        .values(state=AssignmentState.OUT)
        .returning(Assignment.id)
        .execution_options(synchronize_session=False)
    ).first()
    if found is None:
        raise _taken(event)


def _reopen_slots(session: Session, event: Row[Any]) -> None:
    """What the skip took out with it waits again: one row of each slot that has no live one."""
    of_clip = (
        Assignment.project_id == event.project_id,
        Assignment.round_id == event.round_id,
        Assignment.clip_id == event.clip_id,
        Assignment.kind == Kind.ANSWER,
    )
    live = set(session.scalars(select(Assignment.slot).where(*of_clip, Assignment.state.in_(_LIVE))))
    out = select(Assignment.slot, Assignment.id).where(*of_clip, Assignment.state == AssignmentState.OUT)
    waiting = {slot: assignment for slot, assignment in session.execute(out) if slot not in live}
    session.execute(
        update(Assignment)
        .where(Assignment.id.in_(waiting.values()))
        .values(state=AssignmentState.OPEN)
        .execution_options(synchronize_session=False)
    )


def _decided(session: Session, event: Row[Any]) -> bool:
    standing = session.get(Qualification, (event.project_id, event.account_id))
    return standing is not None and standing.state != "waived"


def _taken(event: Row[Any]) -> NothingToUndoError:
    return NothingToUndoError(
        f"clip {event.clip_id} is with somebody else by now, or needed no more: it stays as it is"
    )


def _withdrawal(event: Row[Any], key: str, now: datetime) -> dict[str, Any]:
    return {
        "project_id": event.project_id,
        "clip_id": event.clip_id,
        "assignment_id": event.assignment_id,
        "account_id": event.account_id,
        "fence": event.fence,
        "kind": event.kind,
        "scheme_version": event.scheme_version,
        "supersedes_id": event.id,
        "withdrawn": True,
        "idempotency_key": key,
        "created_at": now,
    }
