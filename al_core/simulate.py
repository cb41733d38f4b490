"""The whole loop with an oracle over a labelled corpus: the service's own steps, without the service."""

import importlib.metadata
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_core import loop
from al_core.encoders import SpeechEncoder
from al_core.evaluate import Evaluation, evaluate
from al_core.features import Clip, FeatureStore, embed
from al_core.folds import Fold, LabelledCorpus, manifest_fold, random_fold
from al_core.normalise import SpeakerNormaliser
from al_core.peft.methods import FineTuned
from al_core.peft.probe import embeddings, feature_spec
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from al_core.strategies.specs import Modal, Strategy
from al_core.targets import Floats, LabelledClips, one_hot
from al_core.train import fine_tune

Adapt = Callable[[SpeechEncoder, Sequence[Clip], Sequence[Clip], int], tuple[SpeechEncoder, float]]
VERSIONS = ("torch", "transformers", "scikit-learn", "numpy", "modAL-python", "peft")


class SimulationError(ValueError):
    """A simulation that cannot run; the sentence says what to change."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What is simulated.

    Attributes:
        recipe: of every fine-tuning; its seed is replaced by the fold's.
        strategies: each gets its own labels, from the same folds.
        n_seeds: folds and runs, seeds 0 … n_seeds − 1.
        fractions: labelled shares of the pool, one round each, rising.
        test_speakers: random test speakers a fold; None tests on `test_split` of the manifest.
    """

    recipe: Recipe
    strategies: tuple[Strategy, ...]
    n_seeds: int
    fractions: tuple[float, ...]
    test_speakers: int | None = None
    test_split: Literal["dev", "test"] = "test"

    def __post_init__(self) -> None:
        if not self.fractions or any(not 0 < fraction <= 1 for fraction in self.fractions):
            raise SimulationError("fractions must lie above 0 and up to 1, for example 0.05,0.1,0.2")
        if any(low >= high for low, high in zip(self.fractions, self.fractions[1:], strict=False)):
            raise SimulationError("fractions must rise")
        if not self.strategies:
            raise SimulationError("name at least one strategy")


@dataclass(frozen=True, slots=True)
class Point:
    """One strategy after one round of one seed; seconds of work that rounds share stand at round 0."""

    strategy: str
    seed: int
    round: int
    n_labels: int
    fraction: float
    uar: float
    wa: float
    macro_f1: float
    seconds_embed: float
    seconds_select: float
    seconds_train: float
    seconds_tapt: float


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """How far the simulation has come; the last report carries the result."""

    done: int
    total: int
    detail: str
    result: dict[str, Any] | None = None


@dataclass(slots=True)
class _Collected:
    points: list[Point] = field(default_factory=list)
    full: list[Evaluation] = field(default_factory=list)
    full_seconds: list[float] = field(default_factory=list)


def simulate(
    plan: SimulationPlan,
    corpus: LabelledCorpus,
    encoder: SpeechEncoder,
    store: FeatureStore,
    adapt: Adapt | None = None,
) -> Iterator[SimulationReport]:
    """Run every strategy on every seed; the same arguments give the same result, seconds apart.

    A fold holds out speakers; its pool starts without a label. In round r the oracle labels what the strategy chose,
    up to `fractions[r]` of the pool (at least one clip), a classifier is fine-tuned on all labels so
    far and evaluated on the fold's test speakers. The full line is one fine-tuning on the whole pool.

    Args:
        plan: what is simulated.
        corpus: labelled clips.
        encoder: the starting encoder.
        store: features, reused between runs.
        adapt: (encoder, pool clips, held-out clips, seed) → the encoder adapted to the fold's unlabelled pool, and the
            seconds that took, or once took; None leaves the encoder as it is.

    Yields:
        Progress; the last report carries the result.

    Raises:
        FeatureError: a clip cannot be embedded.
        SplitError, CorpusError: the corpus cannot be divided as the plan asks.
    """
    total = plan.n_seeds * (1 + len(plan.strategies) * len(plan.fractions))
    collected = _Collected()
    done = 0
    for seed in range(plan.n_seeds):
        run = _Run(plan, corpus, _fold(plan, corpus, seed), seed)
        yield SimulationReport(done, total, f"seed {seed}: embedding")
        run.listen(encoder, store, adapt)
        evaluation, seconds = run.full()
        collected.full.append(evaluation)
        collected.full_seconds.append(seconds)
        done += 1
        for strategy in plan.strategies:
            for point in run.rounds(strategy):
                collected.points.append(point)
                done += 1
                yield SimulationReport(done, total, f"seed {seed}: {point.strategy}, {point.n_labels} labels")
    result = _result(plan, corpus, encoder, collected)
    yield SimulationReport(total, total, "done", result)


def strategy_name(strategy: Strategy) -> str:
    """The name a result is filed under."""
    return strategy.path if isinstance(strategy, Modal) else strategy.kind


def _fold(plan: SimulationPlan, corpus: LabelledCorpus, seed: int) -> Fold:
    if plan.test_speakers is None:
        return manifest_fold(corpus, plan.test_split)
    n_dev = 0 if isinstance(plan.recipe.method, Probe) else 1  # the probe has nothing to stop early
    return random_fold(corpus, plan.test_speakers, n_dev, loop.round_rng(seed, 0, "fold"))


class _Run:
    """One seed: a fold, its encoder, and what every round of every strategy shares."""

    def __init__(self, plan: SimulationPlan, corpus: LabelledCorpus, fold: Fold, seed: int) -> None:
        self._plan, self._corpus, self._seed = plan, corpus, seed
        self._recipe = replace(plan.recipe, seed=seed)
        self._pool, self._dev, self._test = (self._labelled(part) for part in (fold.pool, fold.dev, fold.test))
        self._classes = self._pool.targets.argmax(axis=1)  # (n,)
        self._seconds_embed = self._seconds_tapt = 0.0

    def _labelled(self, positions: Sequence[int]) -> LabelledClips:
        labels = [self._corpus.labels[i] for i in positions]
        return LabelledClips(tuple(self._corpus.clips[i] for i in positions), one_hot(labels, self._corpus.scheme))

    def listen(self, encoder: SpeechEncoder, store: FeatureStore, adapt: Adapt | None) -> None:
        """Adapt the encoder to the pool when asked, and embed every clip of the fold."""
        held_out = (*self._dev.clips, *self._test.clips)
        self._encoder, self._seconds_tapt = encoder, 0.0
        if adapt:
            self._encoder, self._seconds_tapt = adapt(encoder, self._pool.clips, held_out, self._seed)
        self._store = store
        began = time.perf_counter()
        clips = (*self._pool.clips, *held_out)
        for _ in embed(self._encoder, store, [feature_spec(self._recipe, self._encoder.n_layers)], clips):
            pass
        self._seconds_embed = time.perf_counter() - began
        self._embeddings = self._normalised(embeddings(self._recipe, self._encoder, store, self._pool.clips))

    def _normalised(self, X: Floats) -> Floats:
        if not self._recipe.normalise_speakers:
            return X
        speakers = [clip.speaker for clip in self._pool.clips]
        return SpeakerNormaliser.fit(X, speakers).transform(X, speakers)

    def full(self) -> tuple[Evaluation, float]:
        """One fine-tuning on every label of the pool, with its seconds: TAPT and embedding are included."""
        everything = np.arange(len(self._pool))
        classifier, seconds = self._learn(everything)
        return self._evaluate(classifier, everything), seconds + self._seconds_embed + self._seconds_tapt

    def rounds(self, strategy: Strategy) -> Iterator[Point]:
        """Query, label, fine-tune, evaluate, once a fraction."""
        labelled = np.zeros(0, dtype=np.int64)
        classifier: FineTuned | None = None
        for number, fraction in enumerate(self._plan.fractions):
            n = max(round(fraction * len(self._pool)), 1)
            began = time.perf_counter()
            labelled = np.append(labelled, self._query(strategy, classifier, labelled, n - len(labelled), number))
            seconds_select = time.perf_counter() - began
            classifier, seconds_train = self._learn(labelled)
            evaluation = self._evaluate(classifier, labelled)
            yield Point(
                strategy=strategy_name(strategy),
                seed=self._seed,
                round=number,
                n_labels=len(labelled),
                fraction=fraction,
                uar=evaluation.uar,
                wa=evaluation.wa,
                macro_f1=evaluation.macro_f1,
                seconds_embed=self._seconds_embed if number == 0 else 0.0,
                seconds_select=seconds_select,
                seconds_train=seconds_train,
                seconds_tapt=self._seconds_tapt if number == 0 else 0.0,
            )

    def _query(
        self, strategy: Strategy, classifier: FineTuned | None, labelled: NDArray[np.int64], n: int, number: int
    ) -> NDArray[np.int64]:
        """Positions in the pool of the next n clips to label."""
        rest = np.setdiff1d(np.arange(len(self._pool)), labelled)
        clips = [self._pool.clips[i] for i in rest]
        pool = loop.pool_view(
            self._embeddings[rest],
            classifier.predict(clips) if classifier else None,
            self._embeddings[labelled],
            self._classes[labelled],
            len(self._corpus.scheme),
            np.array([clip.duration_s for clip in clips], dtype=np.float32),
        )
        rng = loop.round_rng(self._seed, number, "strategy")
        return rest[loop.acquire(strategy, pool, n, rng).positions]

    def _learn(self, positions: NDArray[np.int64]) -> tuple[FineTuned | None, float]:
        """A classifier fine-tuned on these labels and its seconds; None while they are all of one class."""
        if len(np.unique(self._classes[positions])) == 1:
            return None, 0.0
        train = LabelledClips(tuple(self._pool.clips[i] for i in positions), self._pool.targets[positions])
        run = fine_tune(
            self._recipe, self._corpus.scheme, self._encoder, self._store, train, self._dev, self._pool.clips
        )
        *_, last = run
        assert last.classifier is not None, "the last report of a run carries its classifier"
        return last.classifier, last.seconds

    def _evaluate(self, classifier: FineTuned | None, labelled: NDArray[np.int64]) -> Evaluation:
        """Figures on the test clips; without a classifier each is given the one class known so far."""
        if classifier is None:
            probabilities = np.repeat(self._pool.targets[labelled[:1]], len(self._test), axis=0)
        else:
            probabilities = classifier.predict(self._test.clips)
        truth = self._test.targets.argmax(axis=1).astype(np.int64)
        speakers = [clip.speaker for clip in self._test.clips]
        return evaluate(probabilities, truth, speakers, self._corpus.scheme, self._seed)


def area_under_curve(fractions: Sequence[float], uars: Sequence[float]) -> float:
    """Area under UAR against labelled share, divided by the range of shares: the mean height of the curve."""
    if len(fractions) == 1:
        return float(uars[0])
    return float(np.trapezoid(uars, fractions) / (fractions[-1] - fractions[0]))


def _result(
    plan: SimulationPlan, corpus: LabelledCorpus, encoder: SpeechEncoder, collected: _Collected
) -> dict[str, Any]:
    areas: dict[str, list[float]] = {}
    for strategy in map(strategy_name, plan.strategies):
        for seed in range(plan.n_seeds):
            uars = [point.uar for point in collected.points if (point.strategy, point.seed) == (strategy, seed)]
            areas.setdefault(strategy, []).append(area_under_curve(plan.fractions, uars))
    return {
        "corpus": corpus.name,
        "encoder": encoder.source,
        "scheme": list(corpus.scheme.classes),
        "full": {
            "uar": float(np.mean([evaluation.uar for evaluation in collected.full])),
            "wa": float(np.mean([evaluation.wa for evaluation in collected.full])),
            "seconds": float(np.mean(collected.full_seconds)),
        },
        "points": [asdict(point) for point in collected.points],
        "aulc": {
            name: {"mean": float(np.mean(values)), "std": float(np.std(values))} for name, values in areas.items()
        },
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }
