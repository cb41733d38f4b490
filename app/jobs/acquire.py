"""acquire: choose the acquisition batch of a round's arms, and queue its clips for annotators."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator
from sqlalchemy import insert
from sqlalchemy.orm import Session

from al_core import loop
from al_core.encoders import SpeechEncoder
from al_core.receipts import Receipt, receipts
from app.annotations.enqueue import enqueue
from app.annotations.rules import Routed, read_rule
from app.annotations.settings import read_annotating
from app.db import utcnow
from app.jobs.arms import ArmState, arms_now, as_runs
from app.jobs.choosing import Audio, Drawn, draw, listen
from app.jobs.context import JobContext
from app.jobs.guess import guess, store
from app.jobs.heard import refuse_heard
from app.labels import service as labels
from app.models import Arm, ArmReceipt, Pick, Round, RoundState
from app.rounds.moves import move
from app.rounds.service import start_fine_tuning
from app.specs import as_json, read_recipe, read_scheme


class PoolEmptyError(ValueError):
    """There is nothing left to pick; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Batch:
    """An arm's picks, best first, as rows, and the receipt of them all; neither when it picks nothing."""

    ids: list[int]
    picks: list[dict[str, Any]]
    receipt: ArmReceipt | None


def run(context: JobContext) -> None:
    """Embed what is missing, ask each arm's strategy, and store picks and assignments in one transaction."""
    turn, project = context.round(), context.project()
    encoder = context.encoder()
    refuse_heard(context, encoder)
    clips = context.clips("train")
    with context.db.read() as session:
        arms = arms_now(session, project, turn, list(clips))
    if not arms[0].pool or not arms[0].size:
        raise PoolEmptyError("no training clip is left to pick: import more audio, or raise the project's budget")
    begun = time.perf_counter()
    audio = listen(context, read_recipe(turn.recipe), encoder, clips)
    embedded = time.perf_counter()
    context.report("select", pool=len(arms[0].pool))
    took = {"select": 0.0, "receipts": 0.0}
    batches = {state.arm: _batch(context, turn, state, audio, encoder, took) for state in arms}
    picked = {arm: batch.ids for arm, batch in batches.items()}
    annotating = read_annotating(project.annotating)
    wanted = {clip_id for ids in picked.values() for clip_id in ids}
    guesses = guess(context, wanted, annotating, read_scheme(project.scheme), encoder)
    seconds = {"embed": embedded - begun, **took}
    seconds = {stage: round(one, 3) for stage, one in seconds.items()}
    result: dict[str, Any] = {"picks": {arm: len(ids) for arm, ids in picked.items()}, "seconds": seconds}
    with context.conclude(result) as session:
        move(
            session,
            turn.id,
            RoundState.ACQUIRING,
            RoundState.ANNOTATING,
            encoder_digest=encoder.digest,
            seconds_select=seconds["select"],
        )
        _store(session, batches.values())
        asked = _unanswered(session, turn.project_id, picked, turn)
        result["asked"] = len(asked)
        enqueue(session, turn, asked, {clip_id: one.label for clip_id, one in guesses.items()})
        if annotating.preannotations or _routes(turn):  # annotators see them, or routing reads them
            store(session, guesses)
        if not asked:
            start_fine_tuning(session, turn.id, now=utcnow())


def _batch(
    context: JobContext, turn: Round, state: ArmState, audio: Audio, encoder: SpeechEncoder, took: dict[str, float]
) -> Batch:
    """An arm's batch with its receipts; the view of a large pool is let go before the next arm's is made."""
    begun = time.perf_counter()
    drawn = draw(context, state, audio, encoder)
    chosen = time.perf_counter()
    took["select"] += chosen - begun
    if drawn is None:
        return Batch([], [], None)
    rng = loop.round_rng(turn.seed, turn.number, f"{state.arm} receipts")
    reasons = receipts(drawn.view, drawn.selection, rng)
    rows = [
        {"round_id": turn.id, "arm": state.arm, "clip_id": clip_id, "rank": rank, "score": score}
        | _reason(reason, state)
        for rank, (clip_id, score, reason) in enumerate(zip(drawn.ids, drawn.scores, reasons, strict=True))
    ]
    batch = Batch(drawn.ids, rows, _receipt(turn, state, drawn, list(audio.clips)))
    took["receipts"] += time.perf_counter() - chosen
    return batch


def _reason(reason: Receipt, state: ArmState) -> dict[str, Any]:
    guesses = [[state.scheme.classes[j], round(p, 4)] for j, p in reason.guesses]
    return {
        "nearest_clip_id": None if reason.nearest is None else state.labelled.ids[reason.nearest],
        "nearest_distance": reason.distance,
        "cluster": reason.cluster,
        "cluster_size": reason.cluster_size,
        "guess": guesses or None,
    }


def _receipt(turn: Round, state: ArmState, drawn: Drawn, training: list[int]) -> ArmReceipt:
    found = drawn.digests
    return ArmReceipt(
        round_id=turn.id,
        arm=state.arm,
        strategy=as_json(state.strategy),
        seed=state.seed,
        scheme=as_json(state.scheme),
        checkpoint_id=None if drawn.checkpoint is None else drawn.checkpoint.id,
        size=state.size,
        pool_size=len(state.pool),
        n_labelled=len(state.labelled.ids),
        encoder_digest=found.encoder,
        labels_digest=found.labels,
        pool_digest=found.pool,
        embeddings_digest=found.embeddings,
        predictions_digest=found.predictions,
        checkpoint_labels_digest=found.checkpoint_labels,
        digest=found.whole(),
        newest_clip_id=max(training),
        outside=as_runs(set(training).difference(state.pool), training),
        labelled=state.labelled.as_json(),
    )


def _routes(turn: Round) -> bool:
    return turn.adaptive is not None and isinstance(read_rule(turn.adaptive), Routed)


def _store(session: Session, batches: Iterable[Batch]) -> None:
    for batch in batches:
        if batch.receipt is not None:
            session.execute(insert(Pick), batch.picks)
            session.add(batch.receipt)


def _unanswered(session: Session, project_id: int, picked: dict[Arm, list[int]], turn: Round) -> list[int]:
    """The clips to ask for, once each, in an order that keeps each arm's ranks and does not tell the arms apart."""
    answered = labels.answers(session, project_id).keys()
    rng = loop.round_rng(turn.seed, turn.number, "order")
    return [clip_id for clip_id in interleave(picked, rng) if clip_id not in answered]


def interleave(picked: dict[Arm, list[int]], rng: Generator) -> list[int]:
    """The arms' picks merged at random, each arm in its own order, a clip of both once."""
    turns = rng.permutation([arm.value for arm, ids in picked.items() for _ in ids])
    waiting = {arm.value: iter(ids) for arm, ids in picked.items()}
    return list(dict.fromkeys(next(waiting[arm]) for arm in turns))
