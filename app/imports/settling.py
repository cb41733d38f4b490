"""One answer from elsewhere: is it here already, does it contradict what is here, and where does it go?

An answer to a clip that an open round asks about is given the way annotators give theirs: it takes one of the round's
assignments, and all of the queue's rules hold. Any other is appended beside the queue, under an assignment of no round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

from app.annotations import service as annotations
from app.annotations.answers import Answer, checked
from app.annotations.leases import LeaseId
from app.annotations.settings import Annotating, SkipReason
from app.errors import InvalidError
from app.imports.incoming import Incoming
from app.labels.mapping import Translation
from app.models import Annotation, Assignment, AssignmentState, Kind, Round, RoundState

Outcome = Literal["created", "revised", "unchanged", "conflict", "refused"]
_ANYTHING = Annotating(several_classes=True, unclear=True)  # what was allowed elsewhere is not ours to say
_SAID = ("label", "intensities", "unclear", "dimensions", "skip_reason", "comment")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a row: the outcome, the event it is now, and why where it did not go in."""

    outcome: Outcome
    annotation_id: int | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the row goes: its project, clip and account, and the event here that it replaces."""

    project_id: int
    clip_id: int
    account_id: int
    supersedes: int | None


def settle(session: Session, row: Incoming, place: Place, known: Translation, *, now: datetime) -> Settled:
    """Append the answer unless it is here; the functions of the queue flush and never commit.

    Raises:
        InvalidError: the scheme of its version does not allow the answer.
        ConflictError: the queue refuses it; the sentence says why.
    """
    here = _events(session, place)
    key = f"{row.identity}:{row.digest[:16]}" if row.identity else f"import:{row.digest}"
    given = _answer(row, known)
    same = next((event for event in here if event.idempotency_key == key or _same(event, row, given)), None)
    if same is not None:
        return Settled("unchanged", same.id)
    before = _version_of(here, row, place)
    at = min(row.at or now, now)
    if before is not None and row.identity and not row.withdrawn:
        return _revise(session, before, given, place, key, at)
    other = next((event for event in here if _answers(event) and event.kind == row.kind and event.live), None)
    if other is not None and before is None and _is_answer(row):
        detail = f"clip {place.clip_id} has another answer of this annotator (annotation {other.id}): revise that one"
        return Settled("conflict", other.id, "conflict", detail)
    if before is None and row.kind == Kind.ANSWER and not row.withdrawn:
        lease = _take(session, place, row, now)
        if lease is not None:
            stored = annotations.answer(session, _with_lease(given, lease), place.account_id, key, now=at)
            return Settled("created", stored.annotation.id)
    return Settled("created", _append(session, row, given, place, before, key, at, known))


def _events(session: Session, place: Place) -> Sequence[Row[Any]]:
    """Everything this annotator ever said of the clip, in order."""
    later = select(Annotation.supersedes_id).where(
        Annotation.project_id == place.project_id,
        Annotation.clip_id == place.clip_id,
        Annotation.supersedes_id.is_not(None),
    )
    mine = (
        Annotation.project_id == place.project_id,
        Annotation.clip_id == place.clip_id,
        Annotation.account_id == place.account_id,
    )
    columns = (
        *(Annotation.id, Annotation.idempotency_key, Annotation.kind, Annotation.withdrawn, Annotation.created_at),
        *(Annotation.assignment_id, Annotation.fence, Annotation.scheme_version),
        *(getattr(Annotation, name) for name in _SAID),
        (Annotation.id.not_in(later) & ~Annotation.withdrawn).label("live"),
    )
    return session.execute(select(*columns).where(*mine).order_by(Annotation.id)).all()


def _answer(row: Incoming, known: Translation) -> Answer:
    """The row as an answer of ours, checked against the scheme of its version."""
    version = known.version if row.scheme_version is None else row.scheme_version
    scheme = known.scheme_of(version)
    if scheme is None:
        raise InvalidError(f"scheme_version {version} is none of this project: it has 1 to {known.version}")
    if row.kind not in tuple(Kind):
        raise InvalidError(f"kind {row.kind!r} is none: leave it out, or use one of {', '.join(Kind)}")
    reason = None
    if row.skip_reason is not None:
        if row.skip_reason not in tuple(SkipReason):
            raise InvalidError(f"skip_reason {row.skip_reason!r} is none: use one of {', '.join(SkipReason)}")
        reason = SkipReason(row.skip_reason)
    given = Answer(
        lease=LeaseId(0, 0),
        label=row.label,
        skip_reason=reason,
        comment=row.comment,
        seconds=row.seconds,
        intensities=row.intensities,
        unclear=row.unclear,
        dimensions=row.dimensions,
        scheme_version=version,
    )
    return given if row.withdrawn else checked(given, scheme, _ANYTHING)


def _same(event: Row[Any], row: Incoming, given: Answer) -> bool:
    """Whether the event is this row: the same was said, at the same moment where both tell one."""
    said = given.content()
    if event.kind != row.kind or event.withdrawn != row.withdrawn:
        return False
    if any(getattr(event, name) != said[name] for name in _SAID):
        return False
    if row.identity is not None:  # another program touches its times without a new answer
        return bool(event.live) and event.idempotency_key.startswith(f"{row.identity}:")
    return row.at is None or event.created_at == row.at


def _version_of(here: Sequence[Row[Any]], row: Incoming, place: Place) -> Row[Any] | None:
    """The live event that this row is a newer version of."""
    for event in here:
        if event.live and (
            event.id == place.supersedes or (row.identity and event.idempotency_key.startswith(f"{row.identity}:"))
        ):
            return event
    return None


def _answers(event: Row[Any]) -> bool:
    return event.skip_reason is None and not event.withdrawn


def _is_answer(row: Incoming) -> bool:
    return row.skip_reason is None and not row.withdrawn


def _revise(session: Session, before: Row[Any], given: Answer, place: Place, key: str, at: datetime) -> Settled:
    if before.skip_reason is not None or given.skip_reason is not None:
        detail = f"annotation {before.id} was a skip or becomes one, which is no revision: undo it here instead"
        return Settled("conflict", before.id, "conflict", detail)
    stored = annotations.revise(session, before.id, given, place.account_id, key, now=at)
    return Settled("revised", stored.annotation.id)


def _take(session: Session, place: Place, row: Incoming, now: datetime) -> LeaseId | None:
    """Lease one of the open round's assignments of this clip to the annotator; None when none is free for him."""
    had = select(Assignment.id).where(
        Assignment.project_id == place.project_id,
        Assignment.clip_id == place.clip_id,
        Assignment.account_id == place.account_id,
        Assignment.round_id.is_not(None),
        Assignment.kind == Kind.ANSWER,
    )
    mine = session.execute(had.add_columns(Assignment.fence, Assignment.state).order_by(Assignment.id.desc())).first()
    if mine is not None:
        return LeaseId(mine.id, mine.fence) if mine.state == AssignmentState.LEASED else None
    free = (
        select(Assignment.id)
        .join(Round, Round.id == Assignment.round_id)
        .where(
            Assignment.project_id == place.project_id,
            Assignment.clip_id == place.clip_id,
            Assignment.state == AssignmentState.OPEN,
            Assignment.kind == Kind.ANSWER,
            Assignment.addressee_id.is_(None),
            Round.state == RoundState.ANNOTATING,
        )
        .order_by(Assignment.slot)
        .limit(1)
        .with_for_update(skip_locked=True, of=Assignment)
    )
    taken = session.execute(
        update(Assignment)
        .where(Assignment.id == free.scalar_subquery())
        .values(
            state=AssignmentState.LEASED,
            account_id=place.account_id,
            fence=Assignment.fence + 1,
            expires_at=now,
            shown=None if row.shown is None else dict(row.shown),
        )
        .returning(Assignment.id, Assignment.fence)
        .execution_options(synchronize_session=False)
    ).first()
    return None if taken is None else LeaseId(taken.id, taken.fence)


def _with_lease(given: Answer, lease: LeaseId) -> Answer:
    said = {name: getattr(given, name) for name in Answer.__dataclass_fields__}
    return Answer(**(said | {"lease": lease}))


def _append(
    session: Session,
    row: Incoming,
    given: Answer,
    place: Place,
    before: Row[Any] | None,
    key: str,
    at: datetime,
    known: Translation,
) -> int:
    """The event beside the queue, under the assignment of the event it replaces or under one of no round."""
    assignment_id, fence = (before.assignment_id, before.fence) if before else (_assignment(session, row, place), 1)
    values = given.content() | {
        "project_id": place.project_id,
        "clip_id": place.clip_id,
        "assignment_id": assignment_id,
        "account_id": place.account_id,
        "fence": fence,
        "kind": row.kind,
        "scheme_version": given.scheme_version or known.version,
        "shown": None if row.shown is None else dict(row.shown),
        "supersedes_id": None if before is None else before.id,
        "withdrawn": row.withdrawn,
        "idempotency_key": key,
        "created_at": at,
    }
    return session.execute(insert(Annotation).values(values).returning(Annotation.id)).scalar_one()


def _assignment(session: Session, row: Incoming, place: Place) -> int:
    values = {
        "project_id": place.project_id,
        "clip_id": place.clip_id,
        "kind": row.kind,
        "slot": 0,
        "position": 0,
        "state": AssignmentState.DONE,
        "account_id": place.account_id,
        "fence": 1,
    }
    return session.execute(insert(Assignment).values(values).returning(Assignment.id)).scalar_one()
