"""An encoder's outline, read from its configuration alone: enough to refuse a recipe when it is asked for. No torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from al_core.encoders.starter import place_of
from al_core.peft.specs import (
    Adapter,
    BitFit,
    Combined,
    Dora,
    Full,
    Gate,
    Ia3,
    LastK,
    Lora,
    Part,
    Probe,
    Prompts,
    RecipeError,
    WeightedSum,
    parts_of,
)
from al_core.peft.targets import ATTENTION, factor_names, linear_names
from al_core.recipe import Recipe, resolve_layer

CONFIG = "config.json"
LOCAL_ATTRIBUTES = "local_attributes.json"  # in the folder of an encoder with local attributes, which has no CONFIG
WAVEFORM_FEED_FORWARD = ("intermediate_dense", "output_dense")
WHISPER_FEED_FORWARD = ("fc1", "fc2")
WAVEFORM = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")


@dataclass(frozen=True, slots=True)
class Outline:
    """What a recipe must fit.

    Attributes:
        family: wav2vec2, hubert, wavlm, data2vec-audio or whisper.
        n_layers: transformer blocks.
        hidden_size: d.
        feed_forward_names: the two feed-forward linears of a block, first and last.
        linear_names: every linear of a block, by the last part of its path, sorted.
        has_local_attributes: its last block is an adapter with local attributes.
    """

    family: str
    n_layers: int
    hidden_size: int
    feed_forward_names: tuple[str, str]
    linear_names: tuple[str, ...]
    has_local_attributes: bool = False

    def with_local_attributes(self, layer: int) -> Self:
        """Of the encoder whose blocks end at `layer`, with the adapter as one more."""
        return replace(self, n_layers=layer + 1, has_local_attributes=True)


def read_outline(source: str | Path) -> Outline | None:
    """The outline of an encoder by folder or hub id, from what is on this machine; nothing is downloaded.

    None where nothing is known: no such folder and not in the hub's cache, no readable configuration, another family.
    """
    path = _config_file(source)
    if path is None:
        return None
    try:
        described = path.with_name(LOCAL_ATTRIBUTES)
        if described.is_file():
            told = json.loads(described.read_text(encoding="utf-8"))
            below = read_outline(told["encoder"])
            return None if below is None else below.with_local_attributes(int(told["layer"]))
        config = json.loads(path.read_text(encoding="utf-8"))
        return _outline(config)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def resolve_layers(recipe: Recipe, outline: Outline) -> tuple[int, ...]:
    """Every hidden state a recipe's head reads in an encoder, rising.

    Of an encoder that ends in an adapter with local attributes, "quarters" are the adapter's frames, what it reads, and
    half of the way there.

    Raises:
        RecipeError: the encoder lacks one of them.
    """
    n_layers = outline.n_layers
    wanted = recipe.method.layers if isinstance(recipe.method, Probe) else ()
    if wanted == "quarters":
        if outline.has_local_attributes:
            return tuple(sorted({(n_layers - 1) // 2, n_layers - 1, n_layers}))
        return tuple(sorted({round(share * n_layers) for share in (0.25, 0.5, 0.75)}))
    if wanted and wanted[-1] > n_layers:
        raise RecipeError(f"recipe.method.layers names {wanted[-1]}: this encoder has hidden states 0 to {n_layers}")
    return wanted or (resolve_layer(recipe.layer, n_layers),)


def check_fits(recipe: Recipe, outline: Outline) -> None:
    """Refuse a recipe that cannot work on this encoder.

    Raises:
        RecipeError: a layer or more blocks than it has, a linear that it has not, a sum of one state, LoRA and DoRA on
            one linear; the sentence begins with the field.
    """
    if isinstance(recipe.method, Probe):
        resolve_layers(recipe, outline)
        return
    stop = resolve_layer(recipe.layer, outline.n_layers)
    parts = parts_of(recipe.method)
    if stop == 0:
        raise RecipeError(f"recipe.layer is 0: {parts[0].kind} has no block to train below it, use 1 or above, or -1")
    _check_local_attributes(parts, outline)
    for position, part in enumerate(parts):
        field = f"recipe.method.parts.{position}" if isinstance(recipe.method, Combined) else "recipe.method"
        _check_part(field, part, stop, outline)
    _check_sum(parts, stop)
    _check_low_rank(parts, outline)


def _check_local_attributes(parts: tuple[Part, ...], outline: Outline) -> None:
    for part in parts:
        if outline.has_local_attributes and not isinstance(part, Full | LastK | WeightedSum):
            raise RecipeError(
                f"recipe.method: {part.kind} cannot be put into an encoder with local attributes: use probe, last_k, "
                "full or weighted_sum, or the plain encoder"
            )


def _check_part(field: str, part: Part, stop: int, outline: Outline) -> None:
    try:
        match part:
            case LastK(k=k):
                _check_blocks("k", k, stop)
            case Lora(last=last, targets=targets) | Dora(last=last, targets=targets):
                _check_blocks("last", last, stop)
                linear_names(targets, outline)
            case Ia3(last=last, targets=targets):
                _check_blocks("last", last, stop)
                factor_names(targets, outline)
            case BitFit(last=last) | Adapter(last=last) | Prompts(last=last):
                _check_blocks("last", last, stop)
            case Full() | WeightedSum() | Gate():
                pass
    except RecipeError as error:
        raise RecipeError(f"{field}.{error}") from None


def _check_blocks(field: str, wanted: int | None, stop: int) -> None:
    if wanted is not None and wanted > stop:
        raise RecipeError(f"{field} is {wanted}: only {stop} blocks of this encoder run, use {stop} or fewer")


def _check_sum(parts: tuple[Part, ...], stop: int) -> None:
    trained = [_trained_blocks(part, stop) for part in parts if not isinstance(part, WeightedSum | Gate)]
    states = max(trained, default=stop)
    if states == 1 and any(isinstance(part, WeightedSum) for part in parts):
        raise RecipeError("recipe.method: weighted_sum has one hidden state to sum: train more blocks, or leave it out")


def _trained_blocks(part: Part, stop: int) -> int:
    """How many of the blocks, counted from the last one that runs."""
    if isinstance(part, LastK):
        return part.k
    last = None if isinstance(part, Full | WeightedSum | Gate) else part.last
    return stop if last is None else last


def _check_low_rank(parts: tuple[Part, ...], outline: Outline) -> None:
    named = {part.kind: linear_names(part.targets, outline) for part in parts if isinstance(part, Lora | Dora)}
    shared = sorted(set(named.get("lora", ())) & set(named.get("dora", ())))
    if shared:
        raise RecipeError(
            f"recipe.method: lora and dora both update {', '.join(shared)}: DoRA holds a LoRA already, give them "
            "different targets or keep one"
        )


def _config_file(source: str | Path) -> Path | None:
    folder = Path(place_of(source))
    if folder.is_dir():
        return folder / CONFIG
    if folder.is_absolute() or str(source).startswith("."):
        return None
    # Not `try_to_load_from_cache`: it imports a client of 19 MB, into a web process that asks for one file's place.
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE) / f"models--{str(source).replace('/', '--')}"
    try:
        revision = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # not there; no id at all
        return None
    return repository / "snapshots" / revision / CONFIG


def _outline(config: Mapping[str, Any]) -> Outline | None:
    family = config["model_type"]
    if family == "whisper":
        linears = tuple(sorted((*ATTENTION, *WHISPER_FEED_FORWARD)))
        return Outline(family, int(config["encoder_layers"]), int(config["d_model"]), WHISPER_FEED_FORWARD, linears)
    if family not in WAVEFORM:
        return None
    more = []
    if family == "wavlm":
        more.append("gru_rel_pos_linear")
    if config.get("adapter_attn_dim") is not None and config.get("do_stable_layer_norm"):
        more += ["linear_1", "linear_2"]
    linears = tuple(sorted((*ATTENTION, *WAVEFORM_FEED_FORWARD, *more)))
    return Outline(family, int(config["num_hidden_layers"]), int(config["hidden_size"]), WAVEFORM_FEED_FORWARD, linears)
