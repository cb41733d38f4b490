"""What decides a TAPT run: objective, amount, optimiser. Frozen, stored with the adapted encoder. No torch."""

from dataclasses import dataclass, field
from typing import Literal


class TaptRecipeError(ValueError):
    """A TAPT recipe that cannot work; the sentence names the field."""


def _require(holds: bool, name: str, value: float, bound: str) -> None:
    if not holds:
        raise TaptRecipeError(f"{name} is {value}: it must be {bound}")


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

    def __post_init__(self) -> None:
        _require(2 <= self.units <= 32_767, "units", self.units, "from 2 to 32767")
        _require(self.layer >= -1, "layer", self.layer, "-1 (the middle) or a hidden state from 0")
        _require(0 < self.mask_share < 1, "mask_share", self.mask_share, "between 0 and 1")
        _require(self.mask_span >= 1, "mask_span", self.mask_span, "at least 1")
        _require(self.temperature > 0, "temperature", self.temperature, "above 0")


Objective = MaskedUnits


@dataclass(frozen=True, slots=True)
class TaptRecipe:
    """Everything that decides a TAPT run besides the encoder and the audio.

    The defaults are gentle on purpose: with Whisper-tiny.en on EMO-DB, more steps or a larger learning rate lowered the
    loss further and the probe's UAR with it.

    Attributes:
        objective: what is learned without labels.
        steps: optimiser steps.
        seconds_per_step: audio in one minibatch, padding included; a longer clip makes a minibatch of its own.
        learning_rate, warmup_share, weight_decay: AdamW with linear warm-up and linear decay to zero.
        head_learning_rate: of the objective's own new parameters, which start from noise and need larger steps.
        clip_norm: the gradient is scaled down to this L2 norm.
        train_last: how many of the last transformer blocks learn; 0 means all of them. The front end stays frozen.
        checkpoint_every: steps between resumable states.
        seed: of units, masks, order and dropout.
    """

    objective: Objective = field(default_factory=MaskedUnits)
    steps: int = 100
    seconds_per_step: float = 30.0
    learning_rate: float = 1e-5
    head_learning_rate: float = 1e-3
    warmup_share: float = 0.1
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    train_last: int = 0
    checkpoint_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "steps", self.steps, "at least 1")
        _require(self.seconds_per_step > 0, "seconds_per_step", self.seconds_per_step, "above 0")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        _require(self.head_learning_rate > 0, "head_learning_rate", self.head_learning_rate, "above 0")
        _require(0 <= self.warmup_share < 1, "warmup_share", self.warmup_share, "from 0 to below 1")
        _require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or above")
        _require(self.clip_norm > 0, "clip_norm", self.clip_norm, "above 0")
        _require(self.train_last >= 0, "train_last", self.train_last, "0 (all blocks) or above")
        _require(self.checkpoint_every >= 1, "checkpoint_every", self.checkpoint_every, "at least 1")
        _require(self.seed >= 0, "seed", self.seed, "0 or above")
