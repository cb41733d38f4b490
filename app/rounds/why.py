"""Why this clip: a round's receipt of one pick as a sentence, and who may read it when."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from al_core.strategies.specs import Modal, Random, Strategy, as_begun, innermost
from app.accounts.tokens import Caller
from app.errors import ForbiddenError, NotFoundError
from app.labels.given import is_live
from app.models import (
    OPEN_STATES,
    Annotation,
    Arm,
    ArmReceipt,
    Assignment,
    AssignmentState,
    Clip,
    GoldClip,
    Pick,
    Role,
    Round,
)
from app.projects.service import get_project
from app.specs import read_strategy

TORN_BELOW = 0.2  # a margin of probabilities at which two classes are said to be both likely
NOT_BY_THE_MODEL = (
    "The model did not choose it: some clips are in the queue to measure how well it chooses, or how well we all hear."
)
NOT_YET = (
    "why a clip was chosen is told after your answer, while you are not asked for it again, or once its round is over"
)
NEVER = "why a clip was chosen is told to operators alone in this project: some of its clips must not stand out"


@dataclass(frozen=True, slots=True)
class Picked:
    """A pick with its round, its arm's receipt where there is one, and how many clips the arm picked."""

    pick: Pick
    turn: Round
    receipt: ArmReceipt | None
    n_picks: int


@dataclass(frozen=True, slots=True)
class Why:
    """The sentence for a caller, and the picks behind it, which operators alone see."""

    clip_id: int
    sentence: str
    picks: list[Picked]


def why(session: Session, project_id: int, clip_id: int, caller: Caller) -> Why:
    """Why a clip was asked for, as far as the caller may know.

    Annotators stay blind: nothing before they answered, nothing while they hold the clip (it may be asked twice), no
    guess of the model while its round is open (an answer may be taken back and given anew). A clip that no strategy
    picked, be it of the control arm or a probe, gets one sentence for all, so that a probe does not stand out; where
    there are probes and no control arm they are told nothing at all.

    Raises:
        NotFoundError: no such project or clip in it; for operators also when no round picked it.
        ForbiddenError: the caller must not know yet.
    """
    get_project(session, project_id)
    if session.scalars(select(Clip.id).where(Clip.id == clip_id, Clip.project_id == project_id)).first() is None:
        raise NotFoundError(f"project {project_id} has no clip {clip_id}")
    picks = picks_of_clip(session, clip_id)
    if caller.may(Role.OPERATOR):
        if not picks:
            raise NotFoundError(f"no round picked clip {clip_id}")
        return Why(clip_id, sentence(picks[0]), picks)
    is_open = any(one.turn.state in OPEN_STATES for one in picks)
    _refuse_early(session, project_id, clip_id, caller.id, over=bool(picks) and not is_open)
    ours = next((one for one in picks if one.pick.arm == Arm.STRATEGY), None)
    return Why(clip_id, NOT_BY_THE_MODEL if ours is None else sentence(ours, blind=is_open), [])


def picks_of_clip(session: Session, clip_id: int) -> list[Picked]:
    """Every pick of a clip, those of the newest round first and of its strategy arm before the control's."""
    wanted = select(Pick).where(Pick.clip_id == clip_id).order_by(Pick.round_id.desc(), Pick.arm.desc())
    return with_receipts(session, session.scalars(wanted).all())


def with_receipts(session: Session, picks: Sequence[Pick]) -> list[Picked]:
    """The picks with what is known of them."""
    rounds = {pick.round_id for pick in picks}
    turns = {turn.id: turn for turn in session.scalars(select(Round).where(Round.id.in_(rounds)))}
    wanted = select(ArmReceipt).where(ArmReceipt.round_id.in_(rounds))
    receipts = {(one.round_id, one.arm): one for one in session.scalars(wanted)}
    counted = select(Pick.round_id, Pick.arm, func.count()).where(Pick.round_id.in_(rounds))
    counts = {(turn, arm): n for turn, arm, n in session.execute(counted.group_by(Pick.round_id, Pick.arm))}
    keys = [(pick.round_id, pick.arm) for pick in picks]
    return [
        Picked(pick, turns[pick.round_id], receipts.get(key), counts[key])
        for pick, key in zip(picks, keys, strict=True)
    ]


def sentence(picked: Picked, *, blind: bool = False) -> str:
    """The receipt in words: rank, strategy, what the classifier heard, nearest labelled clip, how many it stands for.

    Args:
        picked: of one arm of one round.
        blind: without what the classifier heard.
    """
    pick = picked.pick
    place = f"{ordinal(pick.rank + 1)} of {picked.n_picks}"
    parts = [f"{place} {_how(picked)}"]
    heard = None if blind else _heard(pick)
    if pick.nearest_clip_id is not None and pick.nearest_distance is not None:
        parts.append(f"the nearest labelled clip is {pick.nearest_clip_id}, {pick.nearest_distance:.2f} away")
    if pick.cluster_size is not None and pick.cluster_size > 1:
        parts.append(f"it stands for {pick.cluster_size - 1:,} clips like it")
    first = f"{parts[0]}: {heard}" if heard else parts[0]
    told = "; ".join([first, *parts[1:]])
    return f"{told[0].upper()}{told[1:]}."


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th … 11th, 12th, 13th, 21st."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def _how(picked: Picked) -> str:
    if picked.pick.arm == Arm.CONTROL:
        return "at random, for the control arm"
    strategy = read_strategy(picked.turn.strategy if picked.receipt is None else picked.receipt.strategy)
    unheard = picked.receipt is not None and picked.receipt.predictions_digest is None
    lacking = unheard and (strategy.needs_probabilities or strategy.needs_dimensions)
    if lacking and isinstance(innermost(as_begun(strategy)), Random):
        return f"at random, as {_name(strategy)} had no classifier to ask yet"
    return "at random" if isinstance(innermost(strategy), Random) else f"by {_name(strategy)}"


def _name(strategy: Strategy) -> str:
    asked = innermost(strategy)
    return asked.path if isinstance(asked, Modal) else asked.kind.replace("_", " ")


def _heard(pick: Pick) -> str | None:
    """What the classifier made of the clip: one class, or two when they are both likely."""
    if not pick.guess:
        return None
    (first, p), *others = pick.guess
    if others and p - others[0][1] < TORN_BELOW:
        second, q = others[0]
        return f"the classifier was torn between {first} and {second} ({p:.2f} / {q:.2f})"
    return f"the classifier heard {first} ({p:.2f})"


def _refuse_early(session: Session, project_id: int, clip_id: int, account_id: int, *, over: bool) -> None:
    """ForbiddenError while the caller must not know; `over`: rounds picked the clip, and none of them is open."""
    holds = exists().where(
        Assignment.clip_id == clip_id, Assignment.account_id == account_id, Assignment.state == AssignmentState.LEASED
    )
    answered = exists().where(Annotation.clip_id == clip_id, Annotation.account_id == account_id, is_live())
    probed = exists().where(GoldClip.project_id == project_id)
    control = exists().where(Pick.round_id == Round.id, Round.project_id == project_id, Pick.arm == Arm.CONTROL)
    row = session.execute(select(holds, answered, probed, control)).one()
    if row[2] and not row[3]:
        raise ForbiddenError(NEVER)
    if row[0] or not (row[1] or over):
        raise ForbiddenError(NOT_YET)
