"""Draw an arm's batch from its state: the one function behind a round's acquisition and its replay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import select

from al_core import loop
from al_core.classifier import Classifier
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.peft.probe import normalised
from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.receipts import Digests, digests
from al_core.recipe import Recipe
from al_core.strategies.passes import heard
from al_core.strategies.profiles import profile_spec, profiled, reads_profiles
from al_core.strategies.specs import Random
from al_core.targets import to_unit
from app.jobs.arms import ArmState
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.jobs.embed import embed_missing, pool_spec
from app.jobs.finishing import labels_alone
from app.models import Checkpoint
from app.models import Clip as ClipRow


@dataclass(frozen=True, slots=True)
class Audio:
    """The training clips and their embeddings, row i of which is the i-th clip."""

    clips: dict[int, Clip]
    row_of: dict[int, int]
    embeddings: Floats

    def of(self, ids: Sequence[int]) -> Floats:
        """(len(ids), d) embeddings."""
        return self.embeddings[[self.row_of[i] for i in ids]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """An arm's batch, and what it was drawn from.

    Attributes:
        ids: the clips, best first.
        scores: what each was chosen by.
        view: what the strategy saw.
        selection: what it answered, in positions of the view.
        digests: of all that.
        checkpoint: of the classifier that was asked; None when none was.
    """

    ids: list[int]
    scores: list[float]
    view: PoolView
    selection: Selection
    digests: Digests
    checkpoint: Checkpoint | None


def listen(context: JobContext, recipe: Recipe, encoder: SpeechEncoder, clips: dict[int, Clip]) -> Audio:
    """The training clips' embeddings as the probe sees them; what is missing is computed."""
    spec = pool_spec(recipe, encoder)
    in_order = list(clips.values())
    embed_missing(context, encoder, spec, in_order)
    embeddings = context.store.pooled(encoder.digest, spec, [clip.key for clip in in_order])  # (n, d)
    rows = {clip_id: row for row, clip_id in enumerate(clips)}
    return Audio(clips, rows, normalised(recipe, embeddings, in_order))


def draw(
    context: JobContext, state: ArmState, audio: Audio, encoder: SpeechEncoder, asks_kept: bool = False
) -> Drawn | None:
    """The arm's batch: a function of what is given and nothing else. None when it picks nothing.

    A strategy asks the classifier that learnt from labels alone, as in a simulation; `asks_kept` has it ask the kept
    one, which a finish may have taught what it believed: rounds once did, and are replayed so.

    Raises:
        CheckpointError: that classifier's folder is gone, or its files are others.
    """
    if state.size == 0 or not state.pool:
        return None
    classifier = _classifier(context, state, encoder, asks_kept)
    view = _view(context, state, audio, encoder, classifier)
    rng = loop.round_rng(state.seed, state.number, state.arm)
    selection: Selection = loop.acquire(state.strategy, view, state.size, rng)
    asked = state.checkpoint if classifier is not None else None
    pool_keys, labelled_keys = ([audio.clips[i].key for i in ids] for ids in (state.pool, state.labelled.ids))
    return Drawn(
        ids=[state.pool[i] for i in selection.positions],
        scores=[float(score) for score in selection.scores],
        view=view,
        selection=selection,
        digests=digests(view, pool_keys, labelled_keys, encoder.digest, None if asked is None else asked.labels_digest),
        checkpoint=asked,
    )


def _view(
    context: JobContext, state: ArmState, audio: Audio, encoder: SpeechEncoder, classifier: Classifier | None
) -> PoolView:
    """What the strategy sees: nothing it does not need, and never a label of the pool."""
    clips = [audio.clips[i] for i in state.pool]
    predicted = None if classifier is None else classifier.predict(clips)
    scheme, labelled = state.scheme, state.labelled
    values = np.array(labelled.dimensions, dtype=np.float32).reshape(len(labelled.ids), len(scheme.dimensions))
    view: PoolView = replace(
        loop.pool_view(
            audio.of(state.pool),
            None if predicted is None else predicted.probabilities,
            audio.of(labelled.ids),
            np.array(labelled.classes, dtype=np.int64),
            len(scheme),
            np.array([clip.duration_s for clip in clips], dtype=np.float32),
        ),
        n_dimensions=len(scheme.dimensions),
        labelled_dimensions=to_unit(values, scheme),
        groups=_groups(context, state.pool),
    )
    if reads_profiles(state.strategy):
        embed_missing(context, encoder, profile_spec(encoder), clips)  # which reports its progress
        view = profiled(view, state.strategy, encoder, context.store, clips)
    if classifier is not None and predicted is not None:
        passes = loop.round_rng(state.seed, state.number, f"{state.arm} passes")
        view = heard(view, state.strategy, classifier, clips, predicted.dimensions, passes)
    return view


def _classifier(context: JobContext, state: ArmState, encoder: SpeechEncoder, asks_kept: bool) -> Classifier | None:
    """The arm's classifier where the strategy asks one; None before there is one of this encoder that can answer."""
    strategy, scheme = state.strategy, state.scheme
    if isinstance(strategy, Random) or not (scheme.classes or strategy.needs_dimensions):
        return None
    if state.checkpoint is None or state.checkpoint.encoder_digest != encoder.digest:
        return None
    folder = None if asks_kept else labels_alone(state.checkpoint)
    classifier = open_classifier(context, state.checkpoint, folder=folder)
    other = strategy.needs_dimensions and classifier.scheme.dimensions != scheme.dimensions
    return None if other or classifier.scheme.classes != scheme.classes else classifier


def _groups(context: JobContext, pool: Sequence[int]) -> dict[str, Ints]:
    """Who speaks, in which session, which sentence, in the order of the pool: what limits on a batch count."""
    wanted = select(ClipRow.id, ClipRow.speaker, ClipRow.session, ClipRow.text)
    with context.db.read() as session:
        rows = session.execute(wanted.where(ClipRow.project_id == context.claim.project_id)).all()
    of_clip = {row.id: row for row in rows}
    columns = {"speaker": "speaker", "session": "session", "sentence": "text"}
    return loop.group_codes({name: [getattr(of_clip[i], column) for i in pool] for name, column in columns.items()})
