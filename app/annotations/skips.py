"""What a skip does to its clip: somebody else is asked, the same annotator at the end, nobody, or an adjudicator.

The row of a skip that others take up stays with its annotator, so he is not asked again, and its slot gets a new row.
When everybody who could answer has the clip behind him, or as many as the project says have skipped it, nobody is
asked any more: the clip waits for an adjudicator, not the round for the clip.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.annotations import statements
from app.annotations.locks import lock_assignments
from app.annotations.settings import ADJUDICATION, Annotating, SkipPolicy, SkipReason
from app.annotations.statements import run
from app.annotations.team import anybody_left
from app.models import COUNTED, Annotation, Assignment, AssignmentState, Kind

_WAITS = (AssignmentState.OPEN, AssignmentState.LEASED)


def end_lease(
    session: Session, asked: Any, held: Mapping[str, int], reason: SkipReason, settings: Annotating
) -> str | None:
    """End the lease as the policy says; the effect, or None when the lease is gone.

    Args:
        session: of the transaction.
        asked: the assignment, as `statements.ASKED` reads it.
        held: assignment, held_fence and me.
        reason: why it is skipped.
        settings: the project's.
    """
    if asked.kind != Kind.ANSWER:  # asked of this annotator alone: it is over
        return SkipPolicy.OTHERS if run(session, statements.PASS_ON, **held).first() is not None else None
    policy = settings.skips.of(reason)
    if policy == SkipPolicy.LATER and _put_off_before(session, asked, held["me"], reason):
        policy = SkipPolicy.OTHERS
    if policy == SkipPolicy.OTHERS and not _somebody_left(session, asked, held["me"], settings):
        return _take_out(session, asked, held, ADJUDICATION)
    if policy == SkipPolicy.OUT:
        return _take_out(session, asked, held, SkipPolicy.OUT)
    if policy == SkipPolicy.LATER:
        last = last_position(session, asked.project_id)
        return policy if run(session, statements.PUT_LAST, **held, last=last).first() is not None else None
    return policy if _pass_on(session, asked, held) else None


def last_position(session: Session, project_id: int) -> int:
    """The position behind everything in the project's queue."""
    last = select(func.coalesce(func.max(Assignment.position), 0) + 1).where(Assignment.project_id == project_id)
    position: int = session.execute(last).scalar_one()
    return position


def _pass_on(session: Session, asked: Any, held: Mapping[str, int]) -> bool:
    """The row stays with the annotator; its slot gets a new one for others."""
    if run(session, statements.PASS_ON, **held).first() is None:
        return False
    row = {
        "project_id": asked.project_id,
        "round_id": asked.round_id,
        "clip_id": asked.clip_id,
        "slot": asked.slot,
        "position": asked.position,
        "state": AssignmentState.OPEN,
    }
    session.execute(insert(Assignment), [row])
    return True


def _take_out(session: Session, asked: Any, held: Mapping[str, int], effect: str) -> str | None:
    """Nobody is asked about the clip any more.

    When it only goes to an adjudicator, who has it now may still answer, and the row stays with who had it.
    """
    out = effect == SkipPolicy.OUT
    of_clip = (
        Assignment.project_id == asked.project_id,
        Assignment.clip_id == asked.clip_id,
        Assignment.kind.in_(COUNTED),
        Assignment.state.in_(_WAITS if out else (AssignmentState.OPEN,)),
    )
    lock_assignments(session, or_(Assignment.id == held["assignment"], and_(*of_clip)))
    if run(session, statements.TAKE_OUT if out else statements.PASS_ON, **held).first() is None:
        return None
    session.execute(
        update(Assignment)
        .where(*of_clip)
        .values(state=AssignmentState.OUT, account_id=None, expires_at=None)
        .execution_options(synchronize_session=False)
    )
    return effect


def _put_off_before(session: Session, asked: Any, account_id: int, reason: SkipReason) -> bool:
    before = exists().where(
        Annotation.account_id == account_id,
        Annotation.clip_id == asked.clip_id,
        Annotation.project_id == asked.project_id,
        Annotation.skip_reason == reason,
    )
    return session.execute(select(before)).scalar_one()


def _somebody_left(session: Session, asked: Any, account_id: int, settings: Annotating) -> bool:
    """Whether fewer than enough people passed this clip on, and one of the annotators has not had it yet."""
    skipped = select(func.count(Assignment.account_id.distinct())).where(
        Assignment.clip_id == asked.clip_id,
        Assignment.round_id == asked.round_id,
        Assignment.state == AssignmentState.SKIPPED,
        Assignment.kind.in_(COUNTED),
    )
    if session.execute(skipped).scalar_one() + 1 >= settings.skips_to_adjudication:
        return False
    return anybody_left(session, asked.project_id, asked.clip_id, besides=account_id)
