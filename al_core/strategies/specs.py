"""What describes each query strategy: frozen parameters and the union `Strategy`. Imports no strategy."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Random:
    """Uniform without replacement: the control every other strategy is compared with."""

    kind: Literal["random"] = "random"


@dataclass(frozen=True, slots=True)
class Entropy:
    """Largest entropy of the predicted class distribution."""

    kind: Literal["entropy"] = "entropy"


@dataclass(frozen=True, slots=True)
class LeastConfidence:
    """Smallest probability of the most likely class."""

    kind: Literal["least_confidence"] = "least_confidence"


@dataclass(frozen=True, slots=True)
class Margin:
    """Smallest gap between the two most likely classes."""

    kind: Literal["margin"] = "margin"


@dataclass(frozen=True, slots=True)
class CoreSet:
    """k-centre greedy over the embeddings (Sener & Savarese, ICLR 2018)."""

    kind: Literal["core_set"] = "core_set"


@dataclass(frozen=True, slots=True)
class Badge:
    """k-means++ over hallucinated gradients (Ash et al., ICLR 2020), factorised: no outer product is built."""

    kind: Literal["badge"] = "badge"


@dataclass(frozen=True, slots=True)
class TypiClust:
    """The most typical clip of each uncovered cluster (Hacohen et al., ICML 2022)."""

    kind: Literal["typiclust"] = "typiclust"
    neighbours: int = 20


@dataclass(frozen=True, slots=True)
class CoverageThenMargin:
    """TypiClust until `coverage_per_class` labels a class are there, margin afterwards (TCM, arXiv:2403.03728)."""

    kind: Literal["coverage_then_margin"] = "coverage_then_margin"
    coverage_per_class: float = 3.0


@dataclass(frozen=True, slots=True)
class Modal:
    """A modAL-style callable `(learner, X, n_instances) → (indices, metric)`, named by import path `package.module:name`."""

    path: str
    kind: Literal["modal"] = "modal"


Strategy = Random | Entropy | LeastConfidence | Margin | CoreSet | Badge | TypiClust | CoverageThenMargin | Modal


class StrategyError(ValueError):
    """A strategy that does not exist or cannot run on this pool; the sentence says what to do."""


_BY_NAME: dict[str, type[Strategy]] = {
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
            f"unknown strategy {text!r}: choose from {', '.join(_BY_NAME)}, or name a modAL-style callable as module:name"
        )
    return _BY_NAME[text]()
