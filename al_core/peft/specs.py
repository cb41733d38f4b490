"""What describes each fine-tuning method: frozen parameters and the union `Method`. No torch, no import of a method."""

from dataclasses import dataclass
from typing import Literal


class RecipeError(ValueError):
    """A recipe that cannot work; the sentence begins with the field's name and says what to do."""


# Which linears of a block are updated: both of the feed-forward layer, the four of the attention, all, or some by name.
Targets = Literal["feed_forward", "attention", "all"] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """Multinomial logistic regression on standardised pooled embeddings; ridge regression for dimensions.

    The encoder stays frozen.

    Attributes:
        c: inverse of the L2 penalty, as in scikit-learn, for the columns of one hidden state; for classes each column
            of s states that are fused jointly counts a share 1 / s.
        layers: hidden states read side by side, in place of the recipe's one; "quarters" are those at a quarter, half
            and three quarters of the encoder, or what an adapter with local attributes gives, reads, and half of the
            way there; empty leaves the recipe's.
        fusion: of several states, for classes; dimensions are always read jointly. "joint" is one regression on all
            their columns; "late" one a state, whose log-odds are averaged: the normalised geometric mean of what they
            say (Hinton, *Training products of experts*, 2002), which again is linear in all the columns.
    """

    kind: Literal["probe"] = "probe"
    c: float = 0.1
    layers: tuple[int, ...] | Literal["quarters"] = ()
    fusion: Literal["joint", "late"] = "joint"

    def __post_init__(self) -> None:
        _require(self.c > 0, f"c is {self.c}: it must be above 0")
        if self.layers != "quarters":
            rising = all(low < high for low, high in zip(self.layers, self.layers[1:], strict=False))
            _require(
                rising and min(self.layers, default=0) >= 0,
                f"layers is {list(self.layers)}: name hidden states from 0, each once and from low to high",
            )


@dataclass(frozen=True, slots=True)
class Full:
    """Every block, and the convolutional front end too unless it stays frozen."""

    kind: Literal["full"] = "full"
    front_end: bool = False


@dataclass(frozen=True, slots=True)
class LastK:
    """The last `k` transformer blocks (partial fine-tuning, arXiv:2503.03756)."""

    kind: Literal["last_k"] = "last_k"
    k: int = 2

    def __post_init__(self) -> None:
        _require(self.k >= 1, f"k is {self.k}: it must be at least 1")


@dataclass(frozen=True, slots=True)
class BitFit:
    """The biases of the blocks (Ben Zaken et al., arXiv:2106.10199); `last` keeps to the last so many blocks."""

    kind: Literal["bitfit"] = "bitfit"
    last: int | None = None

    def __post_init__(self) -> None:
        _check_last(self.last)


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank updates of linears, of both feed-forward ones by default (PEFT-SER, arXiv:2306.05350)."""

    kind: Literal["lora"] = "lora"
    rank: int = 16
    alpha: float = 1.0
    dropout: float = 0.0
    targets: Targets = "feed_forward"
    last: int | None = None

    def __post_init__(self) -> None:
        _check_low_rank(self)


@dataclass(frozen=True, slots=True)
class Dora:
    """LoRA of the direction and a magnitude of its own for every output (Liu et al., arXiv:2402.09353)."""

    kind: Literal["dora"] = "dora"
    rank: int = 16
    alpha: float = 1.0
    dropout: float = 0.0
    targets: Targets = "feed_forward"
    last: int | None = None

    def __post_init__(self) -> None:
        _check_low_rank(self)


@dataclass(frozen=True, slots=True)
class Ia3:
    """Learned factors (Liu et al., arXiv:2205.05638): of the inside of the feed-forward layer, of keys and values.

    "feed_forward" scales what the second feed-forward linear reads, "attention" keys and values, "all" the paper's
    three; any other linear, named, gets a factor for each of its outputs.
    """

    kind: Literal["ia3"] = "ia3"
    targets: Targets = "feed_forward"
    last: int | None = None

    def __post_init__(self) -> None:
        _check_last(self.last)
        _check_targets(self.targets)


@dataclass(frozen=True, slots=True)
class Adapter:
    """Bottleneck adapters beside (parallel) or behind (sequential) every feed-forward layer (PEFT-SER).

    d → `width` → d with ReLU and dropout, times `scale`; the second linear starts at zero.
    """

    kind: Literal["adapter"] = "adapter"
    placement: Literal["parallel", "sequential"] = "parallel"
    width: int = 128
    dropout: float = 0.1
    scale: float = 0.1
    last: int | None = None

    def __post_init__(self) -> None:
        _require(self.width >= 1, f"width is {self.width}: it must be at least 1")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}: it must be at least 0 and below 1")
        _require(self.scale > 0, f"scale is {self.scale}: it must be above 0")
        _check_last(self.last)


@dataclass(frozen=True, slots=True)
class Prompts:
    """Deep embedding prompts: `n` learned vectors a block that its attention also attends to.

    "shared" is PEFT-SER's: one softmax over prompts and frames, which dilutes the frames from the first step on.
    "own" gives the prompts a softmax of their own whose values start at zero, so training starts at the frozen encoder.
    """

    kind: Literal["prompts"] = "prompts"
    n: int = 5
    softmax: Literal["own", "shared"] = "own"
    last: int | None = None

    def __post_init__(self) -> None:
        _require(self.n >= 1, f"n is {self.n}: it must be at least 1")
        _check_last(self.last)


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """A softmax-weighted sum of the hidden states that are run, in place of one of them; weights start equal."""

    kind: Literal["weighted_sum"] = "weighted_sum"


@dataclass(frozen=True, slots=True)
class Gate:
    """A learned gate, the sigmoid of a scalar, for every inserted module beside it (arXiv:2402.11747, UniPELT)."""

    kind: Literal["gate"] = "gate"


Part = Full | LastK | BitFit | Lora | Dora | Ia3 | Adapter | Prompts | WeightedSum | Gate


@dataclass(frozen=True, slots=True)
class Combined:
    """Several methods at once, each kind of them at most once (arXiv:2402.11747)."""

    kind: Literal["combined"] = "combined"
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        kinds = [part.kind for part in self.parts]
        _require(len(kinds) >= 2, f"parts has {len(kinds)}: name at least two methods, or one without combining")
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        _require(not twice, f"parts names {', '.join(twice)} twice: keep one of each")


Trained = Part | Combined
Method = Probe | Trained


def parts_of(method: Trained) -> tuple[Part, ...]:
    """The methods a training method is made of: itself, or the parts of a combination."""
    return method.parts if isinstance(method, Combined) else (method,)


def check_gate(method: Trained) -> None:
    """RecipeError where a gate has nothing to scale, or something beside it that it cannot scale."""
    parts = parts_of(method)
    if not any(isinstance(part, Gate) for part in parts):
        return
    for part in parts:
        if isinstance(part, Dora | Ia3):
            raise RecipeError(f"recipe.method: gate cannot scale {part.kind}, which adds nothing: gate lora or adapter")
        if isinstance(part, Prompts) and part.softmax == "shared":
            raise RecipeError('recipe.method: gate cannot scale prompts in a shared softmax: set softmax to "own"')
    if not any(isinstance(part, Adapter | Lora | Prompts) for part in parts):
        raise RecipeError("recipe.method: gate has nothing to gate: combine it with adapter, lora or prompts")


def _require(fine: bool, sentence: str) -> None:
    if not fine:
        raise RecipeError(sentence)


def _check_last(last: int | None) -> None:
    _require(last is None or last >= 1, f"last is {last}: it must be at least 1, or null for every block")


def _check_targets(targets: Targets) -> None:
    _require(len(targets) > 0, "targets is empty: name feed_forward, attention, all, or linears of a block")


def _check_low_rank(method: Lora | Dora) -> None:
    _require(method.rank >= 1, f"rank is {method.rank}: it must be at least 1")
    _require(method.alpha > 0, f"alpha is {method.alpha}: it must be above 0")
    _require(0 <= method.dropout < 1, f"dropout is {method.dropout}: it must be at least 0 and below 1")
    _check_last(method.last)
    _check_targets(method.targets)
