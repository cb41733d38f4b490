"""Descriptions of the strategies that can begin without a label: chance, coverage, and coverage before doubt."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from al_core.strategies.errors import require


@dataclass(frozen=True, slots=True)
class Random:
    """Uniform without replacement: the control every other strategy is compared with."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["random"] = "random"


@dataclass(frozen=True, slots=True)
class CoreSet:
    """k-centre greedy over the embeddings (Sener & Savarese, ICLR 2018)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["core_set"] = "core_set"


@dataclass(frozen=True, slots=True)
class KMeans:
    """The most central clip of each of n clusters (Bodó et al., 2011)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["k_means"] = "k_means"


@dataclass(frozen=True, slots=True)
class TypiClust:
    """The most typical clip of each uncovered cluster (Hacohen et al., ICML 2022)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["typiclust"] = "typiclust"
    neighbours: int = 20

    def __post_init__(self) -> None:
        require(self.neighbours >= 1, "neighbours", self.neighbours, "at least 1")


@dataclass(frozen=True, slots=True)
class ProbCover:
    """The clip whose ball covers most uncovered clips (Yehuda et al., NeurIPS 2022).

    `radius` is of the balls, between unit-length embeddings, so at most 2; None finds the largest whose balls are of
    one cluster for a share of `purity` of the clips.
    """

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["prob_cover"] = "prob_cover"
    radius: float | None = None
    purity: float = 0.95

    def __post_init__(self) -> None:
        require(self.radius is None or 0 < self.radius <= 2, "radius", self.radius, "above 0 and at most 2")
        require(0 < self.purity <= 1, "purity", self.purity, "above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Alps:
    """The most central clip of each cluster of self-supervised loss profiles (Yuan et al., EMNLP 2020)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["alps"] = "alps"


@dataclass(frozen=True, slots=True)
class CoverageThenMargin:
    """TypiClust until `coverage_per_class` labels a class are there, margin afterwards (TCM, arXiv:2403.03728).

    `candidates_per_pick` is how many clips of small margin stand behind each pick, spread over clusters; 1 is plain
    margin. The defaults were chosen on two corpora, see README.md beside this file.
    """

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["coverage_then_margin"] = "coverage_then_margin"
    coverage_per_class: float = 1.0
    candidates_per_pick: int = 4

    def __post_init__(self) -> None:
        require(self.coverage_per_class >= 0, "coverage_per_class", self.coverage_per_class, "at least 0")
        require(self.candidates_per_pick >= 1, "candidates_per_pick", self.candidates_per_pick, "at least 1")
