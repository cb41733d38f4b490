"""What decides a TAPT run: objective, scope, amount, optimiser. Frozen, stored with the adapted encoder. No torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from al_core.plain import PlainError, read_plain


class TaptRecipeError(ValueError):
    """A TAPT recipe that cannot work; the sentence names the field."""


def _require(holds: bool, name: str, value: object, bound: str) -> None:
    if not holds:
        raise TaptRecipeError(f"{name} is {value}: it must be {bound}")


def _check_masking(objective: "MaskedUnits | Contrastive | LocalAttributes", least_span: int = 1) -> None:
    _require(0 < objective.mask_share < 1, "mask_share", objective.mask_share, "between 0 and 1")
    _require(objective.mask_span >= least_span, "mask_span", objective.mask_span, f"at least {least_span}")
    _require(objective.temperature > 0, "temperature", objective.temperature, "above 0")


@dataclass(frozen=True, slots=True)
class MaskedUnits:
    """HuBERT's objective: predict the k-means unit of each masked frame (Hsu et al., arXiv:2106.07447).

    Attributes:
        units: clusters of the encoder's own frames, K, in each layer's codebook.
        layers: hidden states that are clustered, each into units of its own; −1 is the middle of the encoder, rounded
            up.
        predicted_at: hidden states that predict every layer's units (Wang et al., arXiv:2112.08778); −1 is the last.
        stages: the steps are divided into so many parts; each begins with units found anew, from the encoder as it is
            by then.
        first_units: what the first stage clusters. "encoder" is its hidden states; "mfcc", as in HuBERT's first
            iteration, serves an encoder whose weights are random, and takes one layer.
        mask_share: share of frames covered by spans.
        mask_span: frames a span.
        visible_weight: of the cross-entropy at frames that are not hidden, beside 1 for the hidden ones; HuBERT's
            (1 − α) / α, whose base model has 0. An encoder that starts from random weights learns to hear by it.
        temperature: of the cosine logits.
    """

    kind: Literal["masked_units"] = "masked_units"
    units: int = 50
    layers: tuple[int, ...] = (-1,)
    predicted_at: tuple[int, ...] = (-1,)
    stages: int = 1
    first_units: Literal["encoder", "mfcc"] = "encoder"
    mask_share: float = 0.4
    mask_span: int = 10
    visible_weight: float = 0.0
    temperature: float = 0.1

    def __post_init__(self) -> None:
        _require(self.visible_weight >= 0, "visible_weight", self.visible_weight, "0 or above")
        _require(3 <= self.units <= 32_767, "units", self.units, "from 3 to 32767")
        _check_states("layers", self.layers, least=0, minus_one="the middle")
        _check_states("predicted_at", self.predicted_at, least=1, minus_one="the last")
        _require(self.stages >= 1, "stages", self.stages, "at least 1")
        one_codebook = self.first_units == "encoder" or len(self.layers) == 1
        _require(one_codebook, "layers", list(self.layers), "a single one, for first_units is mfcc")
        _check_masking(self)


def _check_states(name: str, states: tuple[int, ...], least: int, minus_one: str) -> None:
    bound = f"one or more different hidden states, each from {least} or -1 ({minus_one})"
    distinct = len(set(states)) == len(states) >= 1
    _require(distinct and all(state == -1 or state >= least for state in states), name, list(states), bound)


@dataclass(frozen=True, slots=True)
class Contrastive:
    """wav2vec 2.0's objective: tell a hidden frame's quantised features from others' (arXiv:2006.11477).

    AFTER (Li et al., arXiv:2310.00283) adapts with it. Its light masking is a `mask_share` of 0.05 to 0.09; the
    original hides 0.49.

    Attributes:
        quantiser: "checkpoint" takes the quantiser and the projections that a wav2vec 2.0 checkpoint carries, and a new
            one where there is none; "fresh" always begins with a new one.
        groups, entries: codebooks of a new quantiser, and entries in each.
        quantiser_warmup_share: share of the steps in which a new quantiser learns and the encoder does not move yet.
        negatives: distractors a frame, drawn with replacement from the clip's other hidden frames.
        temperature: of the cosine logits.
        diversity_weight: of the loss that asks for evenly used entries.
        gumbel_start, gumbel_end: temperature of the choice of an entry, falling from one to the other.
        gumbel_factor: of that temperature from step to step; None reaches `gumbel_end` with the last step.
        mask_share: share of frames covered by spans.
        mask_span: frames a span.
    """

    kind: Literal["contrastive"] = "contrastive"
    quantiser: Literal["checkpoint", "fresh"] = "checkpoint"
    groups: int = 2
    entries: int = 320
    quantiser_warmup_share: float = 0.2
    negatives: int = 100
    temperature: float = 0.1
    diversity_weight: float = 0.1
    gumbel_start: float = 2.0
    gumbel_end: float = 0.5
    gumbel_factor: float | None = None
    mask_share: float = 0.49
    mask_span: int = 10

    def __post_init__(self) -> None:
        _require(self.groups >= 1, "groups", self.groups, "at least 1")
        _require(3 <= self.entries <= 32_767, "entries", self.entries, "from 3 to 32767")
        warmup = self.quantiser_warmup_share
        _require(0 <= warmup < 1, "quantiser_warmup_share", warmup, "from 0 to below 1")
        _require(self.negatives >= 1, "negatives", self.negatives, "at least 1")
        _require(self.diversity_weight >= 0, "diversity_weight", self.diversity_weight, "0 or above")
        _require(self.gumbel_end > 0, "gumbel_end", self.gumbel_end, "above 0")
        _require(self.gumbel_start >= self.gumbel_end, "gumbel_start", self.gumbel_start, "gumbel_end or above")
        factor = self.gumbel_factor
        _require(factor is None or 0 < factor <= 1, "gumbel_factor", factor, "above 0 and at most 1, or null")
        _check_masking(self, least_span=2)  # a frame that is hidden alone has nothing to be told from


@dataclass(frozen=True, slots=True)
class LocalAttributes:
    """An adapter over the frozen encoder that learns clusters of its own teacher's frames (arXiv:2509.23795).

    The paper gives no sizes, masking or schedule: the defaults are our reading.

    Attributes:
        layer: the encoder's hidden state that the adapter reads, blocks above it are left out; −1 is the middle,
            rounded up.
        width, blocks, heads: of the adapter's transformer.
        dropout: in it, while it learns.
        learning_rate: of all that learns here; with three times as much, predictions collapsed on small corpora.
        attributes: clusters of the teacher's frames, K.
        refresh_epochs: passes over the audio between two clusterings.
        distillation_weight: of 1 − cosine between the pooled frames of student and teacher, beside the cross-entropy.
        ema_start, ema_end: the teacher keeps this share of itself at a step, rising from one to the other.
        mask_share: share of frames covered by spans.
        mask_span: frames a span.
        temperature: of the cosine logits.
    """

    kind: Literal["local_attributes"] = "local_attributes"
    layer: int = -1
    width: int = 256
    blocks: int = 3
    heads: int = 8
    dropout: float = 0.1
    learning_rate: float = 3e-4
    attributes: int = 100
    refresh_epochs: int = 1
    distillation_weight: float = 1.0
    ema_start: float = 0.999
    ema_end: float = 0.9999
    mask_share: float = 0.5
    mask_span: int = 10
    temperature: float = 0.1

    def __post_init__(self) -> None:
        _require(self.layer == -1 or self.layer >= 1, "layer", self.layer, "-1 (the middle) or a hidden state from 1")
        _require(self.blocks >= 1, "blocks", self.blocks, "at least 1")
        _require(self.heads >= 1, "heads", self.heads, "at least 1")
        _require(
            self.width >= 1 and self.width % self.heads == 0, "width", self.width, f"a multiple of {self.heads} heads"
        )
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        _require(3 <= self.attributes <= 32_767, "attributes", self.attributes, "from 3 to 32767")
        _require(self.refresh_epochs >= 1, "refresh_epochs", self.refresh_epochs, "at least 1")
        _require(self.distillation_weight >= 0, "distillation_weight", self.distillation_weight, "0 or above")
        _require(0 <= self.ema_start <= self.ema_end, "ema_start", self.ema_start, "from 0 to ema_end")
        _require(self.ema_end < 1, "ema_end", self.ema_end, "below 1")
        _check_masking(self)


Objective = MaskedUnits | Contrastive | LocalAttributes


@dataclass(frozen=True, slots=True)
class Everything:
    """Every transformer block learns; with `front_end` the convolutions, the positions and the mask embedding too."""

    kind: Literal["everything"] = "everything"
    front_end: bool = False


@dataclass(frozen=True, slots=True)
class LastBlocks:
    """The last `k` transformer blocks learn; what lies below runs without gradients."""

    kind: Literal["last_blocks"] = "last_blocks"
    k: int = 2

    def __post_init__(self) -> None:
        _require(self.k >= 1, "k", self.k, "at least 1")


@dataclass(frozen=True, slots=True)
class FeedForwardLora:
    """LoRA on both feed-forward linears learns, merged into their weights at the end (Hu et al., arXiv:2106.09685).

    Attributes:
        rank, alpha: of the updates, W x ↦ W x + (α / r) · B A x.
        last: keeps to the last so many blocks.
    """

    kind: Literal["lora"] = "lora"
    rank: int = 16
    alpha: float = 16.0
    last: int | None = None

    def __post_init__(self) -> None:
        _require(self.rank >= 1, "rank", self.rank, "at least 1")
        _require(self.alpha > 0, "alpha", self.alpha, "above 0")
        _require(self.last is None or self.last >= 1, "last", self.last, "at least 1, or null for all blocks")


Scope = Everything | LastBlocks | FeedForwardLora
TaptPrecision = Literal["fp32", "bf16"]


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
        head_learning_rate: of the objective's own new parameters, which start from noise and need larger steps. The
            adapter with local attributes has a rate of its own instead of both.
        clip_norm: the gradient is scaled down to this L2 norm.
        scope: what of the encoder learns. The adapter with local attributes leaves all of it frozen.
        precision: of the matrix products; bf16 wants hardware that multiplies in it.
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
    scope: Scope = field(default_factory=Everything)
    precision: TaptPrecision = "fp32"
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
        _require(self.checkpoint_every >= 1, "checkpoint_every", self.checkpoint_every, "at least 1")
        _require(self.seed >= 0, "seed", self.seed, "0 or above")
        if isinstance(self.objective, MaskedUnits):
            stages, steps = self.objective.stages, self.steps
            _require(stages <= steps, "objective.stages", stages, f"at most one a step ({steps})")
        if isinstance(self.objective, LocalAttributes) and self.scope != Everything():
            raise TaptRecipeError(
                f"scope is {self.scope.kind}: local_attributes leaves the encoder frozen and trains its adapter, "
                "leave the scope out"
            )


def tapt_recipe_to_dict(recipe: TaptRecipe) -> dict[str, Any]:
    """A recipe as plain JSON values, lists and not tuples; `tapt_recipe_from_dict` gives the same recipe back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain


def tapt_recipe_from_dict(plain: Mapping[str, Any]) -> TaptRecipe:
    """A recipe from plain JSON values; absent fields keep their defaults, an objective without a kind is masked units.

    Recipes written before there were scopes carry `train_last`, and masked units one `layer`; both are read.

    Raises:
        TaptRecipeError: an unknown field, a value of the wrong type, or one out of its range; the sentence names the
            field.
    """
    values = dict(plain)
    last = values.pop("train_last", 0)
    if last:
        values.setdefault("scope", {"kind": "last_blocks", "k": last})
    objective = values.get("objective")
    if isinstance(objective, Mapping):
        objective = {"kind": "masked_units", **objective}
        if objective["kind"] == "masked_units" and "layer" in objective:
            objective.setdefault("layers", [objective.pop("layer")])
        values["objective"] = objective
    try:
        return read_plain("recipe", TaptRecipe, values)
    except PlainError as error:
        raise TaptRecipeError(str(error)) from None
