"""What every TAPT objective offers, and the one place that chooses among them."""

from collections.abc import Iterator, Sequence
from typing import Protocol, assert_never

import numpy as np
from torch import Tensor, nn

from al_core.encoders import Batch, SpeechEncoder
from al_core.features import Clip
from tapt.masked_units import MaskedUnitPrediction
from tapt.outcome import Outcome
from tapt.recipe import MaskedUnits, TaptRecipe
from tapt.student import Student


class RunningObjective(Protocol):
    """An objective at work on one encoder: the only thing `pretrain` knows of it."""

    def parameters(self) -> list[nn.Parameter]:
        """New parameters that learn beside the encoder's."""
        ...

    def prepare(self, encoder: SpeechEncoder, clips: Sequence[Clip]) -> Iterator[tuple[int, int]]:
        """What must be known before the first step; yields (done, total) as it goes."""
        ...

    def loss(self, student: Student, batch: Batch, positions: Sequence[int], rng: np.random.Generator) -> Outcome:
        """The loss of one minibatch; `positions` are its clips in the sequence given to `prepare`."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All it needs to go on after a kill, `prepare` included."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        ...


def start_objective(recipe: TaptRecipe, encoder: SpeechEncoder) -> RunningObjective:
    """The recipe's objective, its new parameters drawn from torch's current random state."""
    match recipe.objective:
        case MaskedUnits() as masked_units:
            return MaskedUnitPrediction(masked_units, encoder, recipe.seconds_per_step, recipe.seed)
        case unknown:
            assert_never(unknown)
