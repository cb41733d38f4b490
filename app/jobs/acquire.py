"""acquire: choose the acquisition batch of a round's arms, and queue its clips for annotators."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from al_core import loop
from al_core.classifier import Classifier
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.normalise import SpeakerNormaliser
from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.passes import heard
from al_core.strategies.specs import Random, Strategy
from al_core.targets import to_unit
from app.annotations.enqueue import enqueue
from app.annotations.rules import Routed, read_rule
from app.annotations.settings import read_annotating
from app.db import utcnow
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.jobs.embed import embed_missing, pool_spec
from app.jobs.guess import guess, store
from app.jobs.pool import pool_of_arm, sizes
from app.labels import service as labels
from app.models import Arm, Checkpoint, Pick, Round, RoundState
from app.models import Clip as ClipRow
from app.rounds.moves import move
from app.rounds.service import start_fine_tuning
from app.specs import read_recipe, read_scheme, read_strategy


class PoolEmptyError(ValueError):
    """There is nothing left to pick; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class ArmState:
    """What an arm has and may pick from, as clip ids."""

    arm: Arm
    size: int
    pool: list[int]
    labelled: list[labels.Label]
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class Audio:
    """The training clips and their embeddings, row i of which is clip `ids[i]`."""

    clips: dict[int, Clip]
    row_of: dict[int, int]
    embeddings: Floats

    def of(self, ids: Sequence[int]) -> Floats:
        """(len(ids), d) embeddings."""
        return self.embeddings[[self.row_of[i] for i in ids]]


def run(context: JobContext) -> None:
    """Embed what is missing, ask each arm's strategy, and store picks and assignments in one transaction."""
    turn, project = context.round(), context.project()
    recipe, scheme = read_recipe(turn.recipe), read_scheme(project.scheme)
    encoder = context.encoder()
    clips = context.clips("train")
    arms = _arms(context, turn, scheme, list(clips))
    if not arms[0].pool or not arms[0].size:
        raise PoolEmptyError("no training clip is left to pick: import more audio, or raise the project's budget")
    begun = time.perf_counter()
    audio = _listen(context, recipe, encoder, clips)
    embedded = time.perf_counter()
    context.report("select", pool=len(arms[0].pool))
    picked = {state.arm: _choose(context, turn, state, audio, scheme, encoder) for state in arms}
    annotating = read_annotating(project.annotating)
    guesses = guess(context, {i for ids, _ in picked.values() for i in ids}, annotating, scheme, encoder)
    seconds = {"embed": round(embedded - begun, 3), "select": round(time.perf_counter() - embedded, 3)}
    result = {"picks": {arm: len(ids) for arm, (ids, _) in picked.items()}, "seconds": seconds}
    with context.conclude(result) as session:
        move(
            session,
            turn.id,
            RoundState.ACQUIRING,
            RoundState.ANNOTATING,
            encoder_digest=encoder.digest,
            seconds_select=seconds["select"],
        )
        _store_picks(session, turn.id, picked)
        asked = _unanswered(session, turn.project_id, {arm: ids for arm, (ids, _) in picked.items()}, turn)
        result["asked"] = len(asked)
        enqueue(session, turn, asked, {clip_id: one.label for clip_id, one in guesses.items()})
        if annotating.preannotations or _routes(turn):  # annotators see them, or routing reads them
            store(session, guesses)
        if not asked:
            start_fine_tuning(session, turn.id, now=utcnow())


def _arms(context: JobContext, turn: Round, scheme: Scheme, training: list[int]) -> list[ArmState]:
    project = context.project()
    with context.db.read() as session:
        known = {label.clip_id for label in labels.references(session, project.id, "train", scheme)}
        return [
            ArmState(
                arm=arm,
                size=size,
                pool=pool_of_arm(session, project.id, arm, training, known),
                labelled=labels.of_arm(session, project.id, arm, scheme),
                checkpoint=session.scalars(
                    select(Checkpoint)
                    .where(Checkpoint.project_id == project.id, Checkpoint.arm == arm, Checkpoint.kind == "classifier")
                    .order_by(Checkpoint.id.desc())
                    .limit(1)
                ).one_or_none(),
            )
            for arm, size in sizes(session, project, turn).items()
        ]


def _listen(context: JobContext, recipe: Recipe, encoder: SpeechEncoder, clips: dict[int, Clip]) -> Audio:
    """The training clips' embeddings as the probe sees them."""
    spec = pool_spec(recipe, encoder.n_layers)
    in_order = list(clips.values())
    embed_missing(context, encoder, spec, in_order)
    embeddings = context.store.pooled(encoder.digest, spec, [clip.key for clip in in_order])  # (n, d)
    if recipe.normalise_speakers:
        speakers = [clip.speaker for clip in in_order]
        embeddings = SpeakerNormaliser.fit(embeddings, speakers).transform(embeddings, speakers)
    return Audio(clips, {clip_id: row for row, clip_id in enumerate(clips)}, embeddings)


def _choose(
    context: JobContext, turn: Round, state: ArmState, audio: Audio, scheme: Scheme, encoder: SpeechEncoder
) -> tuple[list[int], list[float]]:
    """An arm's picks, best first, and what each was chosen by."""
    strategy = read_strategy(turn.strategy) if state.arm == Arm.STRATEGY else Random()
    if state.size == 0 or not state.pool:
        return [], []
    reads = not isinstance(strategy, Random) and (scheme.classes or strategy.needs_dimensions)
    classifier = _classifier(context, state, strategy, scheme, encoder) if reads else None
    clips = [audio.clips[i] for i in state.pool]
    predicted = None if classifier is None else classifier.predict(clips)
    classes = _classes(state.labelled, scheme)
    view: PoolView = replace(
        loop.pool_view(
            audio.of(state.pool),
            None if predicted is None else predicted.probabilities,
            audio.of(list(classes)),
            np.array(list(classes.values()), dtype=np.int64),
            len(scheme),
            np.array([clip.duration_s for clip in clips], dtype=np.float32),
        ),
        n_dimensions=len(scheme.dimensions),
        labelled_dimensions=_unit_dimensions(state.labelled, list(classes), scheme),
        groups=_groups(context, state.pool),
    )
    if classifier is not None and predicted is not None:
        passes = loop.round_rng(turn.seed, turn.number, f"{state.arm} passes")
        view = heard(view, strategy, classifier, clips, predicted.dimensions, passes)
    selection: Selection = loop.acquire(strategy, view, state.size, loop.round_rng(turn.seed, turn.number, state.arm))
    return [state.pool[i] for i in selection.positions], [float(score) for score in selection.scores]


def _classes(labelled: Sequence[labels.Label], scheme: Scheme) -> dict[int, int]:
    """Labelled clips and their classes. Without classes every label counts, as covered ground, under the number 0."""
    if not scheme.classes:
        return {label.clip_id: 0 for label in labelled}
    return {label.clip_id: scheme.index(label.name) for label in labelled if label.name is not None}


def _classifier(
    context: JobContext, state: ArmState, strategy: Strategy, scheme: Scheme, encoder: SpeechEncoder
) -> Classifier | None:
    """The arm's newest classifier; None before there is one of this encoder and of what the strategy reads."""
    if state.checkpoint is None or state.checkpoint.encoder_digest != encoder.digest:
        return None
    classifier = open_classifier(context, state.checkpoint)
    read = strategy.needs_dimensions and classifier.scheme.dimensions != scheme.dimensions
    return None if read or classifier.scheme.classes != scheme.classes else classifier


def _unit_dimensions(labelled: Sequence[labels.Label], ids: Sequence[int], scheme: Scheme) -> Floats:
    """(m, k) labelled values of these clips on the unit scale, NaN where unknown."""
    unknown = (np.nan,) * len(scheme.dimensions)
    of_clip = {label.clip_id: label.dimensions or unknown for label in labelled}
    values = np.array([of_clip[i] for i in ids], dtype=np.float32).reshape(len(ids), len(scheme.dimensions))
    return to_unit(values, scheme)


def _groups(context: JobContext, pool: Sequence[int]) -> dict[str, Ints]:
    """Who speaks, in which session, which sentence, in the order of the pool: what limits on a batch count."""
    wanted = select(ClipRow.id, ClipRow.speaker, ClipRow.session, ClipRow.text)
    with context.db.read() as session:
        rows = session.execute(wanted.where(ClipRow.project_id == context.claim.project_id)).all()
    of_clip = {row.id: row for row in rows}
    columns = {"speaker": "speaker", "session": "session", "sentence": "text"}
    return loop.group_codes({name: [getattr(of_clip[i], column) for i in pool] for name, column in columns.items()})


def _routes(turn: Round) -> bool:
    return turn.adaptive is not None and isinstance(read_rule(turn.adaptive), Routed)


def _store_picks(session: Session, round_id: int, picked: dict[Arm, tuple[list[int], list[float]]]) -> None:
    rows = [
        {"round_id": round_id, "arm": arm, "clip_id": clip_id, "rank": rank, "score": score}
        for arm, (ids, scores) in picked.items()
        for rank, (clip_id, score) in enumerate(zip(ids, scores, strict=True))
    ]
    session.execute(insert(Pick), rows)


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
