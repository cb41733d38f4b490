"""replay: draw a round's batch again from its receipts, and say whether it is the same bit for bit, or what differs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from al_core.checkpoint import CheckpointError
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.receipts import Digests
from app.db import Database
from app.jobs.arms import ArmState, arm_then
from app.jobs.choosing import Audio, Drawn, draw, listen
from app.jobs.context import JobContext
from app.jobs.finishing import labels_alone
from app.jobs.queue import Claim
from app.models import ArmReceipt, Pick, Round
from app.rounds.service import get_round, require_receipts
from app.settings import Settings
from app.specs import read_recipe

_IN_WORDS = {
    "encoder": "the encoder is another",
    "labels": "the labelled clips are others",
    "pool": "the clips of the pool, their lengths or their speakers are others",
    "embeddings": "the embeddings are others: they were computed again elsewhere",
    "predictions": "the classifier says something else of the pool",
    "checkpoint_labels": "the classifier was trained on other labels",
}
_UNEXPLAINED = "though it was drawn from the same: by another version of a library, or on another kind of processor"


@dataclass(frozen=True, slots=True)
class ArmReplay:
    """An arm drawn again: how many clips it had picked, whether it is the same batch, and what differs."""

    arm: str
    picks: int
    same: bool
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """A round drawn again."""

    round_id: int
    number: int
    same: bool
    sentence: str
    arms: tuple[ArmReplay, ...]


def run(context: JobContext) -> None:
    """Replay the round of the payload; a batch that differs is a result, not a failure."""
    found = replay(context, context.claim.payload["round_id"])
    with context.conclude(asdict(found)):
        pass


class _Here(JobContext):
    """Without a job behind it: nobody reads how far it is."""

    def report(self, stage: str, **progress: Any) -> None:
        """Nothing to write to."""


def replay_here(settings: Settings, db: Database, turn: Round) -> Replay:
    """Replay a round in this process, beside whatever worker there is."""
    return replay(_Here(settings, db, Claim(0, 0, "replay", turn.project_id, None, {})), turn.id)


def replay(context: JobContext, round_id: int) -> Replay:
    """Draw every arm of a round again. Nothing is written but features that were missing.

    Raises:
        NotFoundError: there is no such round.
        ConflictError: it has no receipts.
    """
    with context.db.read() as session:
        turn = get_round(session, round_id)
        receipts = require_receipts(session, turn, undefer(ArmReceipt.outside), undefer(ArmReceipt.labelled))
    encoder = context.encoder_of(receipts[0].encoder_digest)
    if encoder is None:
        wanted = receipts[0].encoder_digest[:12]
        why = f"the encoder of digest {wanted}… is gone: the project's encoders are others now"
        return _told(turn, [_not_drawn(context, turn, receipt, why) for receipt in receipts])
    training = {i: clip for i, clip in context.clips("train").items() if i <= receipts[0].newest_clip_id}
    audio = listen(context, read_recipe(turn.recipe), encoder, training)
    context.report("replay", arms=len(receipts))
    return _told(turn, [_arm(context, turn, receipt, audio, encoder) for receipt in receipts])


def _arm(context: JobContext, turn: Round, receipt: ArmReceipt, audio: Audio, encoder: SpeechEncoder) -> ArmReplay:
    with context.db.read() as session:
        state = arm_then(session, turn, receipt, list(audio.clips))
    why = _gone(receipt, state, audio.clips)
    if why is not None:
        return _not_drawn(context, turn, receipt, why)
    try:
        drawn = _drawn(context, receipt, state, audio, encoder)
    except CheckpointError as error:
        return _not_drawn(context, turn, receipt, f"checkpoint {receipt.checkpoint_id} cannot be opened: {error}")
    before = _picks(context, turn, receipt.arm)
    other = _first_difference(before, drawn)
    causes = tuple(_IN_WORDS[name] for name in _changed(receipt, drawn.digests))
    if other is None:
        return ArmReplay(receipt.arm, len(before), True, causes)
    return ArmReplay(receipt.arm, len(before), False, (other, *(causes or (_UNEXPLAINED,))))


def _drawn(context: JobContext, receipt: ArmReceipt, state: ArmState, audio: Audio, encoder: SpeechEncoder) -> Drawn:
    """The arm's batch again; of the classifier that was kept, where that is the one the receipt's round asked.

    Raises:
        CheckpointError: no classifier that may have been asked can be opened.
    """
    two = state.checkpoint is not None and labels_alone(state.checkpoint) is not None
    found, broken = None, None
    for asks_kept in (False, True) if two else (False,):
        try:
            drawn = draw(context, state, audio, encoder, asks_kept=asks_kept)
        except CheckpointError as error:
            broken = broken or error
            continue
        assert drawn is not None, "an arm without picks has no receipt"
        if drawn.digests.predictions == receipt.predictions_digest:
            return drawn
        found = found or drawn
    if found is None:
        assert broken is not None, "nothing was drawn because something broke"
        raise broken
    return found


def _gone(receipt: ArmReceipt, state: ArmState, training: dict[int, Clip]) -> str | None:
    """What the arm cannot be drawn without, in a sentence."""
    missing = receipt.pool_size - len(state.pool)
    if missing > 0:
        return f"{missing} of the {receipt.pool_size} clips of the pool are gone, or in another split"
    lost = [clip_id for clip_id in state.labelled.ids if clip_id not in training]
    if lost:
        return f"{len(lost)} labelled clips are gone, the first is clip {lost[0]}"
    if receipt.predictions_digest is not None and state.checkpoint is None:
        return f"checkpoint {receipt.checkpoint_id}, which was asked, is gone"
    return None


def _changed(receipt: ArmReceipt, now: Digests) -> list[str]:
    """The names of the digests that are others."""
    names = (field.name for field in fields(Digests))
    return [name for name in names if getattr(receipt, f"{name}_digest") != getattr(now, name)]


def _first_difference(before: Sequence[Pick], drawn: Drawn) -> str | None:
    """The first rank at which clip or score is another, to the last bit."""
    if len(before) != len(drawn.ids):
        return f"{len(drawn.ids)} clips are picked and {len(before)} were"
    for pick, clip_id, score in zip(before, drawn.ids, drawn.scores, strict=True):
        if pick.clip_id != clip_id or pick.score != score:
            was, now = f"clip {pick.clip_id} ({pick.score!r})", f"clip {clip_id} ({score!r})"
            return f"rank {pick.rank + 1} was {was} and is {now}"
    return None


def _not_drawn(context: JobContext, turn: Round, receipt: ArmReceipt, why: str) -> ArmReplay:
    return ArmReplay(receipt.arm, len(_picks(context, turn, receipt.arm)), False, (why,))


def _picks(context: JobContext, turn: Round, arm: str) -> Sequence[Pick]:
    with context.db.read() as session:
        own = select(Pick).where(Pick.round_id == turn.id, Pick.arm == arm)
        return session.scalars(own.order_by(Pick.rank)).all()


def _told(turn: Round, arms: Sequence[ArmReplay]) -> Replay:
    same = all(one.same for one in arms)
    picks = " and ".join(f"{one.picks} of the {one.arm} arm" for one in arms)
    begin = f"gives the same batch bit for bit: {picks}" if same else "does not give the same batch"
    differ = [f"{one.arm} arm: {', '.join(one.differs)}" for one in arms if one.differs]
    return Replay(turn.id, turn.number, same, "; ".join([f"round {turn.number} {begin}", *differ]), tuple(arms))
