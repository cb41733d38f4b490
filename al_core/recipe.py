"""The recipe: everything that decides a training run. Frozen, validated once, stored with the checkpoint. No torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, assert_never, get_args, get_origin, get_type_hints

from al_core.peft.specs import LastK, Lora, Method, Probe

Pooling = Literal["mean", "mean_std"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class RecipeError(ValueError):
    """A recipe that cannot work; the sentence names the field and says what to do."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a fine-tuning run, besides the encoder, the labels and the seed's clips.

    Attributes:
        layer: hidden state read by the head: 0 is the front end's output, i the output of block i, −1 the last.
            Blocks above it are never run. The probe and LoRA read any layer, last-k only the last.
        pooling: masked mean over time, or mean and standard deviation side by side (2 · d wide).
        normalise_speakers: z-normalise pooled embeddings per speaker, without labels. Probe only.
        method: how the encoder is fine-tuned.
        epochs, patience: upper bound, and epochs without a better dev UAR before stopping. Not read by the probe.
        learning_rate: of AdamW, at its highest: it rises over the first tenth of the steps and falls to 0 at the last.
            None is the method's own, see `resolve_learning_rate`. Not read by the probe.
        weight_decay, minibatch: of AdamW. Not read by the probe.
        class_weighted: weigh the cross-entropy by inverse class frequency.
        precision: mixed precision; "auto" is bf16 on an accelerator that has it, otherwise fp32.
        seed: of initialisation, shuffling and dropout.

    Raises:
        RecipeError: a value out of its range, or two fields that contradict each other.
    """

    layer: int = -1
    pooling: Pooling = "mean"
    normalise_speakers: bool = False
    method: Method = field(default_factory=Probe)
    epochs: int = 30
    patience: int = 6
    learning_rate: float | None = None
    weight_decay: float = 1e-2
    minibatch: int = 16
    class_weighted: bool = True
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "minibatch"):
            if getattr(self, name) < 1:
                raise RecipeError(f"recipe.{name} is {getattr(self, name)}: it must be at least 1")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise RecipeError(f"recipe.learning_rate is {self.learning_rate}: it must be above 0")
        if not self.weight_decay >= 0:
            raise RecipeError(f"recipe.weight_decay is {self.weight_decay}: it must be 0 or above")
        if self.seed < 0:
            raise RecipeError(f"recipe.seed is {self.seed}: it must be 0 or above")
        if self.layer < -1:
            raise RecipeError(f"recipe.layer is {self.layer}: use 0 or above, or -1 for the last")
        if self.normalise_speakers and not isinstance(self.method, Probe):
            raise RecipeError("recipe.normalise_speakers works on pooled embeddings: use it with the probe")
        if isinstance(self.method, LastK) and self.layer != -1:
            raise RecipeError("recipe.layer is not read by last_k, which trains the last blocks: leave it at -1")
        _check_method(self.method)


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
    """The recipe's learning rate, or its method's: 2e-4 for last-k, which moves whole blocks, otherwise 1e-3."""
    if recipe.learning_rate is not None:
        return recipe.learning_rate
    return 2e-4 if isinstance(recipe.method, LastK) else 1e-3


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain JSON values; `recipe_from_dict` gives the same recipe back."""
    return asdict(recipe)


def recipe_from_dict(plain: Mapping[str, Any]) -> Recipe:
    """A recipe from plain JSON values; absent fields keep their defaults.

    Raises:
        RecipeError: an unknown field, a value of the wrong type, or one out of its range; the sentence names the field.
    """
    values = dict(plain)
    method = _method_from_dict(values.pop("method", {}))
    return Recipe(method=method, **_checked("recipe", Recipe, values))


def _method_from_dict(plain: object) -> Method:
    if not isinstance(plain, Mapping):
        raise RecipeError(f"recipe.method is {plain!r}: it must be an object with a kind")
    values = dict(plain)
    kind = values.get("kind", "probe")
    match kind:
        case "probe":
            return Probe(**_checked("recipe.method", Probe, values))
        case "last_k":
            return LastK(**_checked("recipe.method", LastK, values))
        case "lora":
            return Lora(**_checked("recipe.method", Lora, values))
        case _:
            raise RecipeError(f"recipe.method.kind is {kind!r}: use probe, last_k or lora")


def _check_method(method: Method) -> None:
    match method:
        case Probe(c=c):
            if not c > 0:
                raise RecipeError(f"recipe.method.c is {c}: it must be above 0")
        case LastK(k=k):
            if k < 1:
                raise RecipeError(f"recipe.method.k is {k}: it must be at least 1")
        case Lora(rank=rank, alpha=alpha, dropout=dropout):
            if rank < 1:
                raise RecipeError(f"recipe.method.rank is {rank}: it must be at least 1")
            if not alpha > 0:
                raise RecipeError(f"recipe.method.alpha is {alpha}: it must be above 0")
            if not 0 <= dropout < 1:
                raise RecipeError(f"recipe.method.dropout is {dropout}: it must be at least 0 and below 1")
        case _:
            assert_never(method)


def _checked(where: str, kind: type[Recipe | Probe | LastK | Lora], values: dict[str, Any]) -> dict[str, Any]:
    """The values, once every name is a field of `kind` and every value has its field's type."""
    hints = get_type_hints(kind)
    names = {one.name for one in fields(kind)} - {"method"}
    for name, value in values.items():
        if name not in names:
            raise RecipeError(f"{where}.{name} is unknown: the fields are {', '.join(sorted(names))}")
        if not _fits(value, hints[name]):
            raise RecipeError(f"{where}.{name} is {value!r}: it must be {_describe(hints[name])}")
    return values


def _fits(value: object, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    # bool is a subclass of int, so `true` would pass for a number.
    return type(value) is hint


def _describe(hint: Any) -> str:
    if isinstance(hint, UnionType):
        return " or ".join(_describe(one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return {int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}[hint]
