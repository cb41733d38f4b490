"""The whole loop with an oracle over a labelled corpus: the service's own steps, without the service."""

import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from al_core import loop
from al_core.encoders import SpeechEncoder
from al_core.evaluation.evaluate import Evaluation
from al_core.features import FeatureStore
from al_core.folds import Fold, LabelledCorpus, manifest_fold, random_fold
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from al_core.simulated_run import Adapt, Point, SimulatedRun, strategy_name
from al_core.strategies.specs import Strategy

__all__ = [
    "Adapt",
    "Point",
    "SimulationError",
    "SimulationPlan",
    "SimulationReport",
    "area_under_curve",
    "simulate",
    "strategy_name",
]

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
        yield SimulationReport(done, total, f"seed {seed}: embedding")
        run = _run(plan, corpus, encoder, store, adapt, seed)
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


def _run(
    plan: SimulationPlan,
    corpus: LabelledCorpus,
    encoder: SpeechEncoder,
    store: FeatureStore,
    adapt: Adapt | None,
    seed: int,
) -> SimulatedRun:
    recipe, fold = replace(plan.recipe, seed=seed), _fold(plan, corpus, seed)
    return SimulatedRun.begin(recipe, plan.fractions, corpus, fold, encoder, store, adapt, seed)


def _fold(plan: SimulationPlan, corpus: LabelledCorpus, seed: int) -> Fold:
    if plan.test_speakers is None:
        return manifest_fold(corpus, plan.test_split)
    n_dev = 0 if isinstance(plan.recipe.method, Probe) else 1  # the probe has nothing to stop early
    return random_fold(corpus, plan.test_speakers, n_dev, loop.round_rng(seed, 0, "fold"))


def area_under_curve(fractions: Sequence[float], heights: Sequence[float]) -> float:
    """Area under a figure against labelled share, divided by the range of shares: the mean height of the curve."""
    if len(fractions) == 1:
        return float(heights[0])
    return float(np.trapezoid(heights, fractions) / (fractions[-1] - fractions[0]))


def _result(
    plan: SimulationPlan, corpus: LabelledCorpus, encoder: SpeechEncoder, collected: _Collected
) -> dict[str, Any]:
    areas: dict[str, list[float]] = {}
    for strategy in map(strategy_name, plan.strategies):
        for seed in range(plan.n_seeds):
            heights = [point.height for point in collected.points if (point.strategy, point.seed) == (strategy, seed)]
            areas.setdefault(strategy, []).append(area_under_curve(plan.fractions, heights))
    return {
        "corpus": corpus.name,
        "encoder": encoder.source,
        "scheme": list(corpus.scheme.classes),
        "dimensions": [dimension.name for dimension in corpus.scheme.dimensions],
        "full": _full(collected),
        "points": [asdict(point) for point in collected.points],
        "aulc": {
            name: {"mean": float(np.mean(values)), "std": float(np.std(values))} for name, values in areas.items()
        },
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }


def _full(collected: _Collected) -> dict[str, Any]:
    """Means over the seeds; UAR and WA are None for a scheme without classes."""
    classes = [evaluation.classes for evaluation in collected.full if evaluation.classes is not None]
    dimensions = [{one.name: one.ccc for one in evaluation.dimensions} for evaluation in collected.full]
    return {
        "uar": float(np.mean([figures.uar for figures in classes])) if classes else None,
        "wa": float(np.mean([figures.wa for figures in classes])) if classes else None,
        "ccc": {name: float(np.mean([one[name] for one in dimensions])) for name in dimensions[0]},
        "seconds": float(np.mean(collected.full_seconds)),
    }
