"""What decides a TAPT run: objective, amount, optimiser. Frozen, stored with the adapted encoder. No torch."""

from dataclasses import dataclass, field
from typing import Literal


class TaptRecipeError(ValueError):
    """A TAPT recipe that cannot work; the sentence names the field."""


@dataclass(frozen=True, slots=True)
class MaskedUnits:
    """HuBERT's objective: predict the k-means unit of each masked frame (Hsu et al., arXiv:2106.07447).

    Attributes:
        units: clusters of the encoder's own frames, K.
        layer: hidden state that is clustered; −1 is the middle of the encoder, rounded up.
        mask_share: share of frames covered by spans.
        mask_span: frames a span.
        temperature: of the cosine logits.
    """

    kind: Literal["masked_units"] = "masked_units"
    units: int = 50
    layer: int = -1
    mask_share: float = 0.4
    mask_span: int = 10
    temperature: float = 0.1


Objective = MaskedUnits


@dataclass(frozen=True, slots=True)
class TaptRecipe:
    """Everything that decides a TAPT run besides the encoder and the audio.

    Attributes:
        objective: what is learned without labels.
        steps: optimiser steps.
        seconds_per_step: audio in one minibatch, which is filled by length up to this.
        learning_rate, warmup_share, weight_decay: AdamW with linear warm-up and decay.
        train_last: how many of the last transformer blocks learn; 0 means all of them. The front end stays frozen.
        checkpoint_every: steps between resumable states.
        seed: of units, masks, order and dropout.
    """

    objective: Objective = field(default_factory=MaskedUnits)
    steps: int = 200
    seconds_per_step: float = 30.0
    learning_rate: float = 5e-5
    warmup_share: float = 0.1
    weight_decay: float = 1e-2
    train_last: int = 0
    checkpoint_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise TaptRecipeError(f"steps is {self.steps}: it must be at least 1")
        if self.seconds_per_step <= 0:
            raise TaptRecipeError(f"seconds_per_step is {self.seconds_per_step}: it must be above 0")
        if self.checkpoint_every < 1:
            raise TaptRecipeError(f"checkpoint_every is {self.checkpoint_every}: it must be at least 1")
