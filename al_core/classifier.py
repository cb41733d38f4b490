"""What fine-tuning produces: something that turns clips into probabilities over the scheme's classes."""

from collections.abc import Sequence
from typing import Protocol

from al_core.features import Clip
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import Floats


class Classifier(Protocol):
    """A fine-tuned encoder with its head. Both kinds live beside their method in `al_core.peft`."""

    @property
    def scheme(self) -> Scheme:
        """Classes in the order of the probabilities' columns."""
        ...

    @property
    def recipe(self) -> Recipe:
        """What decided the training run."""
        ...

    @property
    def encoder_digest(self) -> str:
        """Of the encoder it was fine-tuned from."""
        ...

    def predict(self, clips: Sequence[Clip]) -> Floats:
        """(n, c) float32 probabilities, rows summing to 1. Classes without a training label have probability 0."""
        ...
