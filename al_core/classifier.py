"""What fine-tuning produces: something that turns clips into probabilities over classes and values of dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from al_core.features import Clip
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a classifier hears in n clips.

    Attributes:
        probabilities: (n, c) float32 over the scheme's classes, rows summing to 1; (n, 0) without classes. Classes
            without a training label have probability 0.
        dimensions: (n, m) float32 on the scheme's own scales, inside their ranges; (n, 0) without dimensions.
    """

    probabilities: Floats
    dimensions: Floats


class Classifier(Protocol):
    """A fine-tuned encoder with its head. Both kinds live beside their method in `al_core.peft`."""

    @property
    def scheme(self) -> Scheme:
        """Classes and dimensions in the order of the predictions' columns."""
        ...

    @property
    def recipe(self) -> Recipe:
        """What decided the training run."""
        ...

    @property
    def encoder_digest(self) -> str:
        """Of the encoder it was fine-tuned from."""
        ...

    def predict(self, clips: Sequence[Clip]) -> Predictions:
        """Probabilities and dimensions of every clip."""
        ...
