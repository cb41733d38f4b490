"""How many people are asked about one clip: the round's number, an operator's for this clip, or until it is sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.annotations.closing import close_if_done, hold_open
from app.annotations.locks import lock_clips
from app.annotations.routed import decide_route
from app.annotations.rules import Adaptive, Routed
from app.annotations.skips import last_position
from app.annotations.team import anybody_left
from app.errors import NotFoundError
from app.labels.given import Given, live_answers
from app.labels.mapping import Translation, translation
from app.labels.sure import sureness
from app.models import Assignment, AssignmentState, ClipOverlap, Kind

_LIVE = (AssignmentState.OPEN, AssignmentState.LEASED, AssignmentState.DONE)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A live row of a clip in its round."""

    id: int
    slot: int
    state: str


def adapt(
    session: Session, project_id: int, round_id: int, clip_id: int, rule: Adaptive | Routed, *, now: datetime
) -> None:
    """Ask for one more answer to a clip, or stop asking, now that one more is there.

    Adaptive: nobody else is asked once the answers are sure and at least `at_least`; one more is asked for while they
    are not and fewer than `at_most`. Routed: one more is asked for while that pays and there are fewer than `limit`.
    Both only as long as somebody is left to ask. An operator's number for the clip replaces the rule. Who has the clip
    now keeps it.
    """
    if session.get(ClipOverlap, (round_id, clip_id)) is not None:
        return
    slots = _slots(session, round_id, clip_id)
    all_done = all(slot.state == AssignmentState.DONE for slot in slots)
    way = translation(session, project_id)
    answers = [way.bring(given) for given in live_answers(session, project_id, [clip_id])]
    counted = [given for given in answers if given is not None]
    if isinstance(rule, Routed):

        def may_ask() -> bool:
            return not all_done or (len(slots) < rule.limit and anybody_left(session, project_id, clip_id))

        more = decide_route(session, project_id, round_id, way, counted, rule, may_ask, now=now)
    else:
        more = _not_sure(counted, way, rule)
    if not more:
        _end(session, [slot for slot in slots if slot.state == AssignmentState.OPEN])
    elif all_done and (isinstance(rule, Routed) or anybody_left(session, project_id, clip_id)):
        add_slots(session, project_id, round_id, clip_id, 1)


def _not_sure(counted: Sequence[Given], way: Translation, rule: Adaptive) -> bool:
    enough = len(counted) >= rule.at_least and sureness(counted, way.scheme) >= rule.sure
    return not enough and len(counted) < rule.at_most


def set_overlap(session: Session, round_id: int, clip_id: int, overlap: int, *, now: datetime) -> int:
    """Want `overlap` answers to one clip of a round that is annotating; how many it will get.

    More than that when more were given, or are being given, already.

    Raises:
        NotFoundError: the clip is not in the round.
        ConflictError: the round is not annotating.
    """
    lock_clips(session, [clip_id])
    turn = hold_open(session, round_id)
    slots = _slots(session, round_id, clip_id)
    of_clip = (Assignment.round_id == round_id, Assignment.clip_id == clip_id, Assignment.kind == Kind.ANSWER)
    if not slots and session.execute(select(Assignment.id).where(*of_clip).limit(1)).first() is None:
        raise NotFoundError(f"round {turn.number} does not ask about clip {clip_id}: name a clip of its batch")
    session.merge(ClipOverlap(round_id=round_id, clip_id=clip_id, overlap=overlap))
    spare = [slot for slot in slots if slot.state == AssignmentState.OPEN]
    surplus = len(slots) - overlap
    if surplus > 0:
        _end(session, spare[-surplus:])
    elif surplus < 0:
        add_slots(session, turn.project_id, round_id, clip_id, -surplus)
    close_if_done(session, turn.project_id, round_id, now=now)
    return max(overlap, len(slots) - len(spare))


def add_slots(session: Session, project_id: int, round_id: int | None, clip_id: int, count: int) -> None:
    """Ask `count` more people about a clip, behind everything that waits."""
    taken = select(Assignment.slot).where(Assignment.round_id == round_id, Assignment.clip_id == clip_id)
    first = max(session.scalars(taken), default=-1) + 1
    position = last_position(session, project_id)
    rows = [
        {
            "project_id": project_id,
            "round_id": round_id,
            "clip_id": clip_id,
            "slot": first + i,
            "position": position + i,
            "state": AssignmentState.OPEN,
        }
        for i in range(count)
    ]
    session.execute(insert(Assignment), rows)


def _slots(session: Session, round_id: int, clip_id: int) -> list[_Slot]:
    rows = session.execute(
        select(Assignment.id, Assignment.slot, Assignment.state)
        .where(
            Assignment.round_id == round_id,
            Assignment.clip_id == clip_id,
            Assignment.kind == Kind.ANSWER,
            Assignment.state.in_(_LIVE),
        )
        .order_by(Assignment.slot)
    )
    return [_Slot(*row) for row in rows]


def _end(session: Session, slots: Sequence[_Slot]) -> None:
    """Nobody is asked for these any more, unless somebody took one meanwhile, or is taking it now."""
    still = (Assignment.id.in_([slot.id for slot in slots]), Assignment.state == AssignmentState.OPEN)
    free = select(Assignment.id).where(*still).with_for_update(skip_locked=True)
    session.execute(
        update(Assignment)
        .where(Assignment.id.in_(free))
        .values(state=AssignmentState.OUT)
        .execution_options(synchronize_session=False)
    )
