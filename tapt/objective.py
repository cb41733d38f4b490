"""What every TAPT objective offers, and the one place that chooses among them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, assert_never

from torch import Tensor, nn

from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from tapt.alarms import Advice
from tapt.contrastive import ContrastiveLearning
from tapt.local_attributes import LocalAttributeLearning
from tapt.masked_units import MaskedUnitPrediction
from tapt.outcome import Outcome
from tapt.recipe import Contrastive, LocalAttributes, MaskedUnits, TaptRecipe
from tapt.share import Share
from tapt.student import Student


class RunningObjective(Protocol):
    """An objective at work on one encoder and its clips: the only thing `pretrain` knows of it."""

    @property
    def advice(self) -> Advice:
        """What to change when it collapses."""
        ...

    def parameters(self) -> list[nn.Parameter]:
        """New parameters that learn beside the encoder's."""
        ...

    def due(self, step: int) -> bool:
        """Whether `prepare` must run before this step, counted from 1; it must before the first."""
        ...

    def prepare(self, student: Student, step: int) -> Iterator[tuple[int, int]]:
        """Find the targets of the steps from this one on; yields (done, total) as it goes."""
        ...

    def moves_encoder(self, step: int) -> bool:
        """Whether the student learns in this step, and not the new parameters alone."""
        ...

    def loss(self, student: Student, share: Share, step: int) -> Outcome:
        """A process's part of the loss of one minibatch, that of its share; all processes' parts add up."""
        ...

    def after_step(self, step: int) -> None:
        """What moves once the optimiser has, without a gradient."""
        ...

    def adapted(self, student: Student) -> SpeechEncoder:
        """What the run leaves behind."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All it needs to go on after a kill, `prepare` included."""
        ...

    def restore(self, state: Mapping[str, Tensor], student: Student) -> None:
        """Put back what `state` gave; the student has its weights already."""
        ...


def start_objective(
    recipe: TaptRecipe, encoder: SpeechEncoder, clips: Sequence[Clip], folder: Path
) -> RunningObjective:
    """The recipe's objective, its new parameters drawn from torch's current random state.

    Args:
        recipe: of the run.
        encoder: the starting encoder.
        clips: all clips of the run.
        folder: of the run, for what must not be held in memory.
    """
    match recipe.objective:
        case MaskedUnits() as masked_units:
            return MaskedUnitPrediction(recipe, masked_units, encoder, clips)
        case Contrastive() as contrastive:
            return ContrastiveLearning(recipe, contrastive, encoder, clips)
        case LocalAttributes() as local_attributes:
            return LocalAttributeLearning(recipe, local_attributes, encoder, clips, folder)
        case unknown:
            assert_never(unknown)
