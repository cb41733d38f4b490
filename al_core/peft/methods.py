"""The one `match` over the methods that train a network: build it, feed it, save it, load it, merge it."""

import copy
from pathlib import Path
from typing import Any, assert_never, get_args

from al_core.encoders import SpeechEncoder
from al_core.encoders.digest import digest_of
from al_core.encoders.outline import check_fits
from al_core.features import FeatureSpec, FeatureStore
from al_core.heads import build_head
from al_core.peft import (
    adapter,
    bitfit,
    dora,
    full,
    gate,
    ia3,
    injection,
    last_k,
    lora,
    prompts,
    shared_prompts,
    storing,
    weighted_sum,
)
from al_core.peft.assembly import Assembly
from al_core.peft.first_stage import adapted_encoder, carry_over
from al_core.peft.frames import CachedFrames, Frames, LiveFrames, TrainedFrontEnd
from al_core.peft.network import Network, frozen_copy
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import (
    Adapter,
    BitFit,
    Dora,
    Full,
    Gate,
    Ia3,
    LastK,
    Lora,
    Part,
    Probe,
    Prompts,
    WeightedSum,
    parts_of,
)
from al_core.peft.tuned import FirstStage, TunedClassifier
from al_core.recipe import Recipe, RecipeError, resolve_layer
from al_core.scheme import Scheme

FineTuned = ProbeClassifier | TunedClassifier
# As they are written in the union: what wraps a linear comes before what hooks on to it, a gate after what it scales.
_ORDER: tuple[type[Part], ...] = get_args(Part)


def untrained(
    recipe: Recipe, scheme: Scheme, encoder: SpeechEncoder, store: FeatureStore, first: FirstStage | None = None
) -> TunedClassifier:
    """The classifier a run begins with; its head is still random.

    Args:
        first: what the recipe starts from: "continue" takes its weights over, "stack" builds on its frozen encoder.

    Raises:
        RecipeError: the recipe does not fit this encoder, or its method not the first stage's that it continues.
    """
    stacked = first if recipe.start is not None and recipe.start.adaptors == "stack" else None
    below = encoder if stacked is None else adapted_encoder(stacked)
    network = build(recipe, scheme, below)
    if first is not None and stacked is None:
        carry_over(first, network)
    return TunedClassifier(scheme, recipe, encoder, network, frames(recipe, network, below, store), stacked)


def build(recipe: Recipe, scheme: Scheme, encoder: SpeechEncoder) -> Network:
    """A network with everything ready to train; at the start it computes what the frozen encoder computes.

    New weights come from torch's global generator.

    Raises:
        RecipeError: the recipe does not fit this encoder.
    """
    check_fits(recipe, encoder.outline)
    assembly = Assembly(frozen_copy(encoder), resolve_layer(recipe.layer, encoder.n_layers))
    for part in _parts(recipe):
        _attach(part, assembly)
    network = assembly.complete(build_head(recipe.head, recipe.pooling, encoder.hidden_size, scheme))
    network.encoder.recompute_activations = recipe.checkpoint_activations
    if recipe.compile:
        for block in list(network.encoder.blocks)[network.start : network.stop]:
            block.compile(dynamic=True)
    return network


def frames(recipe: Recipe, network: Network, encoder: SpeechEncoder, store: FeatureStore) -> Frames:
    """Where the network's input comes from: the store wherever frozen blocks lie below and the recipe caches.

    Nothing random happens there, so cached and uncached training are the same.
    """
    if network.trains_front_end:
        return TrainedFrontEnd(network.encoder)
    if network.start == 0 or recipe.cache == "off":
        return LiveFrames(encoder, network.start)
    return CachedFrames(encoder, store, FeatureSpec(layer=network.start, pooling="frames", dtype=recipe.cache))


def save(network: Network, folder: Path) -> list[str]:
    """Write what was trained outside the head; returns the files' names relative to the folder."""
    names = storing.save_trained(network, folder)
    for kind, name in network.adapters.items():
        own = storing.ADAPTER if len(network.adapters) == 1 else f"{storing.ADAPTER}-{kind}"
        names += storing.save_adapter(network, name, gate.factors(network.inserted, kind), own, folder)
    return names


def load(network: Network, folder: Path) -> None:
    """Put saved weights into a network that `build` made from the same recipe and encoder.

    Raises:
        CheckpointError: they do not fit.
    """
    storing.load_trained(network, folder)


def merged(network: Network) -> SpeechEncoder:
    """A plain encoder whose hidden states up to `network.stop` are the network's: nothing inserted, all in its weights.

    Open to everything that reads an encoder: it saves in Hugging Face format, embeds, and has a digest of its own.

    Raises:
        RecipeError: adapters or prompts, which no weight of the encoder can hold, a second stage on a frozen first, or
            an encoder with local attributes, whose folder only points to the plain one.
    """
    if not network.encoder.is_plain:
        raise RecipeError("an encoder with local attributes cannot be merged: keep the checkpoint as it is")
    if any(name != kind for kind, name in network.adapters.items()):
        raise RecipeError("a stacked second stage cannot be merged: its first stage has gates of its own")
    for kind in ("adapter", "prompts"):
        if kind in network.inserted:
            raise RecipeError(f"{kind} cannot be merged: no weight of the encoder computes the same")
    encoder = copy.deepcopy(network.encoder).eval()
    plain: Any = encoder.get_submodule("network")
    injection.merge(plain, "lora", gate.factors(network.inserted, "lora"))
    injection.unwrap(plain)
    encoder.recompute_activations = False
    encoder.digest = digest_of(plain, encoder.feature_extractor)
    return encoder.requires_grad_(True)


def _parts(recipe: Recipe) -> list[Part]:
    assert not isinstance(recipe.method, Probe), "the probe trains no network"
    return sorted(parts_of(recipe.method), key=lambda part: _ORDER.index(type(part)))


def _attach(part: Part, assembly: Assembly) -> None:
    match part:
        case Full():
            full.attach(part, assembly)
        case LastK():
            last_k.attach(part, assembly)
        case BitFit():
            bitfit.attach(part, assembly)
        case Lora():
            lora.attach(part, assembly)
        case Dora():
            dora.attach(part, assembly)
        case Ia3():
            ia3.attach(part, assembly)
        case Adapter():
            adapter.attach(part, assembly)
        case Prompts():
            (prompts if part.softmax == "own" else shared_prompts).attach(part, assembly)
        case WeightedSum():
            weighted_sum.attach(part, assembly)
        case Gate():
            gate.attach(part, assembly)
        case _:
            assert_never(part)
