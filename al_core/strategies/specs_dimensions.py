"""Descriptions of the strategies for dimensions: regression schemes, and schemes with classes and dimensions."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from al_core.strategies.specs_doubt import check_passes


@dataclass(frozen=True, slots=True)
class DropoutVariance:
    """Largest variance of the predicted dimensions over `passes` dropout passes (Gal & Ghahramani, ICML 2016)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = True
    kind: Literal["dropout_variance"] = "dropout_variance"
    passes: int = 20
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_passes(self.passes, 2, self.dropout)


@dataclass(frozen=True, slots=True)
class GreedyX:
    """Furthest from everything labelled or chosen, among the embeddings (GSx; Wu, Lin & Huang, 2019)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["greedy_x"] = "greedy_x"


@dataclass(frozen=True, slots=True)
class GreedyY:
    """Furthest from everything labelled or chosen, among the predicted values (GSy; Wu, Lin & Huang, 2019)."""

    needs_probabilities: ClassVar[bool] = False
    needs_dimensions: ClassVar[bool] = True
    kind: Literal["greedy_y"] = "greedy_y"


@dataclass(frozen=True, slots=True)
class Ctial:
    """Where the predicted class and the predicted dimensions contradict each other (Xu, Jiang & Wu, 2024)."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = True
    kind: Literal["ctial"] = "ctial"
