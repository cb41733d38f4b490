"""The recipe: everything that decides a training run. Frozen, validated once, stored with the checkpoint. No torch."""

from dataclasses import dataclass, field
from typing import Literal

from al_core.peft.specs import LastK, Method, Probe

Pooling = Literal["mean", "mean_std"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class RecipeError(ValueError):
    """A recipe that cannot work; the sentence names the field and says what to do."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a fine-tuning run, besides the encoder, the labels and the seed's clips.

    Attributes:
        layer: hidden state read by the probe: 0 is the front end's output, i the output of block i, −1 the last.
        pooling: masked mean over time, or mean and standard deviation side by side (2 · d wide).
        normalise_speakers: z-normalise pooled embeddings per speaker, without labels. Probe only.
        method: how the encoder is fine-tuned.
        epochs, patience: upper bound, and epochs without a better dev UAR before stopping. Not read by the probe.
        learning_rate, weight_decay, minibatch: of AdamW. Not read by the probe.
        class_weighted: weigh the cross-entropy by inverse class frequency.
        precision: mixed precision; "auto" is bf16 on an accelerator that has it, otherwise fp32.
        seed: of initialisation, shuffling and dropout.
    """

    layer: int = -1
    pooling: Pooling = "mean"
    normalise_speakers: bool = False
    method: Method = field(default_factory=Probe)
    epochs: int = 30
    patience: int = 6
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    minibatch: int = 16
    class_weighted: bool = True
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "minibatch"):
            if getattr(self, name) < 1:
                raise RecipeError(f"recipe.{name} is {getattr(self, name)}: it must be at least 1")
        if self.learning_rate <= 0:
            raise RecipeError(f"recipe.learning_rate is {self.learning_rate}: it must be above 0")
        if self.normalise_speakers and not isinstance(self.method, Probe):
            raise RecipeError("recipe.normalise_speakers works on pooled embeddings: use it with the probe")
        if isinstance(self.method, LastK) and self.layer != -1:
            raise RecipeError("recipe.layer is read by the probe only: leave it at -1 with last_k")
