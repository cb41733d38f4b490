"""The one `match` over the methods that train a network: build it, feed it, save it, load it."""

from pathlib import Path
from typing import assert_never

from al_core.encoders import SpeechEncoder
from al_core.features import FeatureStore
from al_core.heads import CategoricalHead
from al_core.peft import last_k, lora
from al_core.peft.frames import Frames
from al_core.peft.network import UpperBlocks
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import LastK, Lora
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe

Trained = LastK | Lora
FineTuned = ProbeClassifier | TunedClassifier


def build(method: Trained, recipe: Recipe, encoder: SpeechEncoder, n_classes: int) -> UpperBlocks:
    """A network that computes what the frozen encoder computes, with the method's weights ready to train.

    Raises:
        RecipeError: the encoder has no such layer, or fewer blocks than the method trains.
    """
    head = CategoricalHead(encoder.hidden_size, n_classes, recipe.pooling)
    head.to(next(encoder.parameters()).device)
    match method:
        case LastK():
            return last_k.build(method, encoder, head)
        case Lora():
            return lora.build(method, encoder, head, recipe.layer)
        case _:
            assert_never(method)


def frames(method: Trained, encoder: SpeechEncoder, store: FeatureStore) -> Frames:
    """Where the network's input comes from."""
    match method:
        case LastK():
            return last_k.frames(method, encoder, store)
        case Lora():
            return lora.frames(encoder)
        case _:
            assert_never(method)


def save(method: Trained, network: UpperBlocks, folder: Path) -> list[str]:
    """Write what was trained in the encoder; returns the files' names relative to the folder."""
    match method:
        case LastK():
            return last_k.save(network, folder)
        case Lora():
            return lora.save(network, folder)
        case _:
            assert_never(method)


def load(method: Trained, network: UpperBlocks, folder: Path) -> None:
    """Put saved weights into a network that `build` made from the same recipe and encoder."""
    match method:
        case LastK():
            last_k.load(network, folder)
        case Lora():
            lora.load(network, folder)
        case _:
            assert_never(method)
