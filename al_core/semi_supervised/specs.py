"""How a recipe may end: frozen parameters and the union `Finish`. No torch, no import of a method."""

from dataclasses import dataclass
from typing import Literal

from al_core.peft.specs import RecipeError


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """Self-training (Lee, ICML workshop 2013) with class-balanced quotas (CBST, Zou et al., arXiv:1810.07911).

    Attributes:
        share: of the clips predicted as each class, the most confident so many are believed in the last iteration.
        iterations: of believing and fitting again; the i-th of n believes i / n of the share. A method that trains a
            network is trained anew in each.
        weight: of a believed clip beside a labelled one, times its confidence.
    """

    kind: Literal["pseudo_labels"] = "pseudo_labels"
    share: float = 1.0
    iterations: int = 3
    weight: float = 0.5

    def __post_init__(self) -> None:
        _check_belief(self.share, self.weight)
        if self.iterations < 1:
            raise RecipeError(f"iterations is {self.iterations}: it must be at least 1")


@dataclass(frozen=True, slots=True)
class LabelSpreading:
    """Labels spread over a graph of neighbours (Zhou et al., *Learning with Local and Global Consistency*, NIPS 2003).

    Attributes:
        neighbours: of each clip in the graph.
        alpha: α, how much a clip takes from its neighbours against its own label.
        share: of the clips each class spread to, the most certain so many are believed.
        weight: of a believed clip beside a labelled one, times its certainty.
    """

    kind: Literal["label_spreading"] = "label_spreading"
    neighbours: int = 10
    alpha: float = 0.9
    share: float = 0.5
    weight: float = 0.5

    def __post_init__(self) -> None:
        _check_belief(self.share, self.weight)
        if self.neighbours < 1:
            raise RecipeError(f"neighbours is {self.neighbours}: it must be at least 1")
        if not 0 < self.alpha < 1:
            raise RecipeError(f"alpha is {self.alpha}: it must lie between 0 and 1")


Finish = PseudoLabels | LabelSpreading


def _check_belief(share: float, weight: float) -> None:
    if not 0 < share <= 1:
        raise RecipeError(f"share is {share}: it must be above 0 and at most 1")
    if not weight > 0:
        raise RecipeError(f"weight is {weight}: it must be above 0")
