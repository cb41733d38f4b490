"""The recipe: everything that decides a training run. Frozen, validated once, stored with the checkpoint. No torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from al_core.peft.specs import Full, LastK, Method, Probe, RecipeError, check_gate, parts_of
from al_core.plain import PlainError, read_plain
from al_core.scheme import Scheme
from al_core.semi_supervised.specs import Finish, PseudoLabels

Pooling = Literal["mean", "active_mean", "mean_std", "attentive"]
Normalise = bool | Literal["auto"]
HeadKind = Literal["linear", "conv"]
Loss = Literal["cross_entropy", "focal"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Cache = Literal["float16", "float32", "off"]

__all__ = [
    "Augment",
    "Cache",
    "HeadKind",
    "Loss",
    "Normalise",
    "Pooling",
    "Precision",
    "Recipe",
    "RecipeError",
    "Start",
    "check_learns",
    "recipe_from_dict",
    "recipe_to_dict",
    "resolve_layer",
    "resolve_learning_rate",
    "standard_recipe",
]


@dataclass(frozen=True, slots=True)
class Augment:
    """Noise on the training audio (PEFT-SER, arXiv:2306.05350): Gaussian at a random SNR, and one span of silence.

    Attributes:
        snr_low_db, snr_high_db: the signal-to-noise ratio is uniform between them.
        time_mask_share: longest share of a clip that one span of zeros may cover; 0 for none.
        probability: that a clip is augmented at all, drawn anew in each epoch.
    """

    snr_low_db: float = 10.0
    snr_high_db: float = 30.0
    time_mask_share: float = 0.1
    probability: float = 1.0

    def __post_init__(self) -> None:
        if not self.snr_low_db <= self.snr_high_db:
            raise RecipeError(f"snr_low_db is {self.snr_low_db}: it must not be above {self.snr_high_db}")
        if not 0 <= self.time_mask_share < 1:
            raise RecipeError(f"time_mask_share is {self.time_mask_share}: it must be at least 0 and below 1")
        if not 0 < self.probability <= 1:
            raise RecipeError(f"probability is {self.probability}: it must be above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Start:
    """Two-stage adaptation (Lashkarashvili et al., arXiv:2402.11747): begin where another checkpoint ended.

    Attributes:
        checkpoint: folder of a checkpoint of the same encoder; in the service, a checkpoint's id.
        adaptors: "continue" trains the first stage's own adaptors on; "stack" freezes them and trains a second set
            on top, whose removal gives the first stage back.
        classes: (first stage's class, this scheme's class) where the names differ; equal names need no pair.
        new_classes: classes of this scheme that the first stage did not know; one that is not named here is refused.
    """

    checkpoint: str
    adaptors: Literal["continue", "stack"] = "continue"
    classes: tuple[tuple[str, str], ...] = ()
    new_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a fine-tuning run, besides the encoder, the labels and the seed's clips.

    Attributes:
        layer: hidden state read by the head: 0 is the front end's output, i the output of block i, −1 the last.
            Blocks above it are never run, so "the last k blocks" end here.
        pooling: masked mean over time; the mean of the frames loud enough to hold speech (probe only); mean and
            standard deviation side by side; or both under learned attention.
        head: one linear layer that starts as a probe, or PEFT-SER's three pointwise convolutions and a hidden layer.
        normalise_speakers: z-normalise pooled embeddings per speaker, without labels. Probe only. "auto" leaves it out
            where cross-validation over the labelled speakers shows that it takes the emotion with the voice.
        normalise_sentences: centre them on the mean of their sentence, where many said it; the same.
        method: how the encoder is fine-tuned.
        epochs, patience: upper bound, and epochs without a better dev figure before stopping. Not read by the probe.
        learning_rate: of AdamW, at its highest: it rises over the first tenth of the steps and falls to 0 at the last.
            None is the method's and head's own, see `resolve_learning_rate`. Not read by the probe.
        weight_decay: of AdamW.
        minibatch, accumulate: clips a minibatch, and minibatches an optimiser step. Not read by the probe.
        class_weighted: weigh the classes by inverse frequency.
        loss, focal_gamma, label_smoothing: of the classes.
        dimension_weight: of Σ (1 − CCC) over the dimensions, beside the loss of the classes.
        precision: mixed precision; "auto" is bf16 on an accelerator that has it, fp16 on others, fp32 on a CPU.
        cache: type in which the frames below the lowest trained block are stored (76.8 kB a second of audio at 768
            wide and float16), or "off" to compute them each time. Where nothing lies below but the front end, it is
            always computed.
        checkpoint_activations: compute activations again in the backward pass: less memory, about a third more time.
        compile: compile the blocks with `torch.compile`.
        augment: noise on the training audio; nothing may be cached then.
        start: another checkpoint to begin from.
        finish: what the unlabelled rest of the pool adds at the end, always compared with going without.
        seed: of initialisation, shuffling, dropout and noise.

    Raises:
        RecipeError: a value out of its range, or two fields that contradict each other.
    """

    layer: int = -1
    pooling: Pooling = "mean"
    head: HeadKind = "linear"
    normalise_speakers: Normalise = False
    normalise_sentences: Normalise = False
    method: Method = field(default_factory=Probe)
    epochs: int = 30
    patience: int = 6
    learning_rate: float | None = None
    weight_decay: float = 1e-2
    minibatch: int = 16
    accumulate: int = 1
    class_weighted: bool = True
    loss: Loss = "cross_entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    dimension_weight: float = 1.0
    precision: Precision = "auto"
    cache: Cache = "float16"
    checkpoint_activations: bool = False
    compile: bool = False
    augment: Augment | None = None
    start: Start | None = None
    finish: Finish | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "minibatch", "accumulate"):
            if getattr(self, name) < 1:
                raise RecipeError(f"recipe.{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("weight_decay", "focal_gamma", "dimension_weight", "seed"):
            if not getattr(self, name) >= 0:
                raise RecipeError(f"recipe.{name} is {getattr(self, name)}: it must be 0 or above")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise RecipeError(f"recipe.learning_rate is {self.learning_rate}: it must be above 0")
        if not 0 <= self.label_smoothing < 1:
            raise RecipeError(f"recipe.label_smoothing is {self.label_smoothing}: it must be at least 0 and below 1")
        if self.layer < -1:
            raise RecipeError(f"recipe.layer is {self.layer}: use 0 or above, or -1 for the last")
        if isinstance(self.method, Probe):
            self._check_probe()
        else:
            self._check_trained()

    def _check_probe(self) -> None:
        trained_only = {
            "pooling": self.pooling == "attentive",
            "head": self.head != "linear",
            "augment": self.augment is not None,
            "start": self.start is not None,
        }
        for name, used in trained_only.items():
            if used:
                raise RecipeError(f"recipe.{name} needs a method that trains a network: the probe has none")

    def _check_trained(self) -> None:
        assert not isinstance(self.method, Probe)
        for name in ("normalise_speakers", "normalise_sentences"):
            if getattr(self, name):
                raise RecipeError(f"recipe.{name} works on pooled embeddings: use it with the probe")
        if self.pooling == "active_mean":
            raise RecipeError("recipe.pooling is active_mean, which needs the audio's loudness: use it with the probe")
        check_gate(self.method)
        if self.augment is not None and self.cache != "off":
            raise RecipeError('recipe.augment changes the audio in every epoch: set recipe.cache to "off"')


def standard_recipe(layer: int | None = None, normalise_speakers: Normalise = "auto", classes: bool = True) -> Recipe:
    """The recipe to begin with on any corpus; `bench/LOG.md` says how it was chosen.

    Args:
        layer: one hidden state in place of the three quarters.
        normalise_speakers: to decide beforehand.
        classes: whether the scheme has any; without them there is nothing to believe at the end.
    """
    return Recipe(
        layer=-1 if layer is None else layer,
        pooling="active_mean",
        normalise_speakers=normalise_speakers,
        normalise_sentences="auto",
        method=Probe(layers="quarters", fusion="late") if layer is None else Probe(),
        finish=PseudoLabels() if classes else None,
    )


def check_learns(recipe: Recipe, scheme: Scheme) -> None:
    """Refuse a recipe that has nothing to learn from what the scheme's clips are labelled with.

    Raises:
        RecipeError: a finish without classes, dimensions alone that count for nothing, or minibatches too small for a
            CCC.
    """
    if recipe.finish is not None and not scheme.classes:
        raise RecipeError("recipe.finish believes classes, and this scheme has dimensions alone: leave it out")
    if isinstance(recipe.method, Probe) or not scheme.dimensions:
        return
    if not scheme.classes and recipe.dimension_weight == 0:
        raise RecipeError("recipe.dimension_weight is 0: with dimensions alone nothing is left to learn; raise it")
    if recipe.minibatch == 1 and recipe.dimension_weight > 0:
        raise RecipeError("recipe.minibatch is 1: the CCC of one clip does not exist; use 2 or more with dimensions")


def resolve_layer(layer: int, n_layers: int) -> int:
    """The hidden state a recipe means in an encoder of `n_layers` blocks: −1 becomes n_layers.

    Raises:
        RecipeError: the encoder has no such hidden state.
    """
    if layer == -1:
        return n_layers
    if not 0 <= layer <= n_layers:
        raise RecipeError(f"recipe.layer is {layer}: this encoder has hidden states 0 to {n_layers}")
    return layer


def resolve_learning_rate(recipe: Recipe) -> float:
    """The recipe's learning rate, or its method's and head's.

    2e-4 where whole blocks move; 5e-4 beside a convolutional head, as PEFT-SER has it; otherwise 1e-3.
    """
    if recipe.learning_rate is not None:
        return recipe.learning_rate
    if isinstance(recipe.method, Probe):
        return 1e-3
    if any(isinstance(part, Full | LastK) for part in parts_of(recipe.method)):
        return 2e-4
    return 5e-4 if recipe.head == "conv" else 1e-3


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain JSON values; `recipe_from_dict` gives the same recipe back."""
    return asdict(recipe)


def recipe_from_dict(plain: Mapping[str, Any]) -> Recipe:
    """A recipe from plain JSON values; absent fields keep their defaults.

    Recipes written before `cache` was the recipe's own carry it in their last-k method; it is read from there.

    Raises:
        RecipeError: an unknown field, a value of the wrong type, or one out of its range; the sentence names the field.
    """
    values = dict(plain)
    method = values.get("method")
    if isinstance(method, Mapping):
        method = {"kind": "probe", **method}
        if method["kind"] == "last_k" and "cache" in method:
            values.setdefault("cache", method.pop("cache"))
        values["method"] = method
    try:
        return read_plain("recipe", Recipe, values)
    except PlainError as error:
        raise RecipeError(str(error)) from None
