"""Partial fine-tuning: the last k transformer blocks and a head, on cached frames of the block below.

Reference: Sampath, Tavernor & Mower Provost, "Efficient Finetuning for Dimensional Speech Emotion Recognition in the
Age of Transformers", ICASSP 2025, arXiv:2503.03756. The front end, the blocks below the cut and the final layer norm
stay frozen.
"""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.features import FeatureSpec, FeatureStore
from al_core.heads import CategoricalHead
from al_core.peft.frames import CachedFrames
from al_core.peft.network import UpperBlocks, frozen_copy
from al_core.peft.specs import LastK
from al_core.recipe import RecipeError

BLOCKS = "blocks.safetensors"


def build(method: LastK, encoder: SpeechEncoder, head: CategoricalHead) -> UpperBlocks:
    """The encoder's last k blocks, copied so that training leaves the caller's weights alone, and the head.

    Raises:
        RecipeError: k is more than the encoder's blocks.
    """
    if method.k > encoder.n_layers:
        raise RecipeError(f"recipe.method.k is {method.k}: this encoder has {encoder.n_layers} blocks")
    start = encoder.n_layers - method.k
    copied = frozen_copy(encoder)
    for block in list(copied.blocks)[start:]:
        for weight in block.parameters():
            weight.data = weight.data.clone()
            weight.requires_grad_(True)
    return UpperBlocks(copied, start, encoder.n_layers, head)


def frames(method: LastK, encoder: SpeechEncoder, store: FeatureStore) -> CachedFrames:
    """The cache below the cut. Nothing random lies below it, so cached and uncached training are the same."""
    spec = FeatureSpec(layer=encoder.n_layers - method.k, pooling="frames", dtype=method.cache)
    return CachedFrames(encoder, store, spec)


def save(network: UpperBlocks, folder: Path) -> list[str]:
    """Write the trained blocks, named by their place in the encoder; returns the file names."""
    save_file(trained_blocks(network).state_dict(), folder / BLOCKS)
    return [BLOCKS]


def load(network: UpperBlocks, folder: Path) -> None:
    """Put saved blocks in the place of the built ones."""
    device = next(network.parameters()).device
    trained_blocks(network).load_state_dict(load_file(folder / BLOCKS, device=str(device)))


def trained_blocks(network: UpperBlocks) -> nn.ModuleDict:
    """Block number from 0 (as text) → block."""
    blocks = list(network.encoder.blocks)
    return nn.ModuleDict({str(i): blocks[i] for i in range(network.start, network.stop)})
