"""What describes each query strategy: frozen parameters and the union `Strategy`. Imports no strategy.

One that `needs_probabilities` cannot choose before a classifier is trained: `al_core.loop.acquire` begins for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal


class StrategyError(ValueError):
    """A strategy that does not exist or cannot run on this pool; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Random:
    """Uniform without replacement: the control every other strategy is compared with."""

    needs_probabilities: ClassVar[bool] = False
    kind: Literal["random"] = "random"


@dataclass(frozen=True, slots=True)
class Entropy:
    """Largest entropy of the predicted class distribution."""

    needs_probabilities: ClassVar[bool] = True
    kind: Literal["entropy"] = "entropy"


@dataclass(frozen=True, slots=True)
class LeastConfidence:
    """Smallest probability of the most likely class."""

    needs_probabilities: ClassVar[bool] = True
    kind: Literal["least_confidence"] = "least_confidence"


@dataclass(frozen=True, slots=True)
class Margin:
    """Smallest gap between the two most likely classes."""

    needs_probabilities: ClassVar[bool] = True
    kind: Literal["margin"] = "margin"


@dataclass(frozen=True, slots=True)
class CoreSet:
    """k-centre greedy over the embeddings (Sener & Savarese, ICLR 2018)."""

    needs_probabilities: ClassVar[bool] = False
    kind: Literal["core_set"] = "core_set"


@dataclass(frozen=True, slots=True)
class Badge:
    """k-means++ over hallucinated gradients (Ash et al., ICLR 2020), factorised: no outer product is built."""

    needs_probabilities: ClassVar[bool] = True
    kind: Literal["badge"] = "badge"


@dataclass(frozen=True, slots=True)
class TypiClust:
    """The most typical clip of each uncovered cluster (Hacohen et al., ICML 2022)."""

    needs_probabilities: ClassVar[bool] = False
    kind: Literal["typiclust"] = "typiclust"
    neighbours: int = 20

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise StrategyError(f"neighbours is {self.neighbours}: it must be at least 1")


@dataclass(frozen=True, slots=True)
class CoverageThenMargin:
    """TypiClust until `coverage_per_class` labels a class are there, margin afterwards (TCM, arXiv:2403.03728).

    `candidates_per_pick` is how many clips of small margin stand behind each pick, spread over clusters; 1 is plain
    margin. The defaults were chosen on two corpora, see README.md beside this file.
    """

    needs_probabilities: ClassVar[bool] = False
    kind: Literal["coverage_then_margin"] = "coverage_then_margin"
    coverage_per_class: float = 1.0
    candidates_per_pick: int = 4

    def __post_init__(self) -> None:
        if self.coverage_per_class < 0:
            raise StrategyError(f"coverage_per_class is {self.coverage_per_class}: it must be at least 0")
        if self.candidates_per_pick < 1:
            raise StrategyError(f"candidates_per_pick is {self.candidates_per_pick}: it must be at least 1")


@dataclass(frozen=True, slots=True)
class Modal:
    """A modAL-style callable `(learner, X, n_instances) → (indices, metric)`, by import path `package.module:name`."""

    needs_probabilities: ClassVar[bool] = True
    path: str
    kind: Literal["modal"] = "modal"


Strategy = Random | Entropy | LeastConfidence | Margin | CoreSet | Badge | TypiClust | CoverageThenMargin | Modal


_BY_NAME: dict[str, Callable[[], Strategy]] = {
    "random": Random,
    "entropy": Entropy,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "core_set": CoreSet,
    "badge": Badge,
    "typiclust": TypiClust,
    "coverage_then_margin": CoverageThenMargin,
}
STRATEGY_NAMES: tuple[str, ...] = tuple(_BY_NAME)


def parse_strategy(text: str) -> Strategy:
    """A strategy with its defaults from its name, or a `Modal` from an import path with a colon."""
    if ":" in text:
        return Modal(path=text)
    if text not in _BY_NAME:
        raise StrategyError(
            f"unknown strategy {text!r}: choose from {', '.join(_BY_NAME)}, or name a modAL-style callable module:name"
        )
    return _BY_NAME[text]()
