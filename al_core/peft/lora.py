"""LoRA: low-rank updates of both feed-forward linears of every block, and a head; everything else stays frozen.

    W x  ↦  W x + (α / r) · B A x,   A (r, in) uniform, B (out, r) zero, so training starts from the frozen encoder.

References: Hu et al., "LoRA", arXiv:2106.09685; Feng & Narayanan, "PEFT-SER", ACII 2023, arXiv:2306.05350, whose choice
the defaults are: feed-forward layers and not the attention, r = 16, α = 1, no dropout.
"""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.heads import CategoricalHead
from al_core.peft.frames import LiveFrames
from al_core.peft.network import UpperBlocks, frozen_copy
from al_core.peft.specs import Lora
from al_core.recipe import RecipeError, resolve_layer

# The names and the prefix `peft` gives its own files, so that `PeftModel.from_pretrained` opens the folder.
ADAPTER = "adapter"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."


def build(method: Lora, encoder: SpeechEncoder, head: CategoricalHead, layer: int) -> UpperBlocks:
    """The encoder's blocks up to hidden state `layer` with an update on each feed-forward linear, and the head.

    Raises:
        RecipeError: the encoder has no such layer, or it is 0, below every block.
    """
    import peft  # seconds to import: only those who train with it pay

    stop = resolve_layer(layer, encoder.n_layers)
    if stop == 0:
        raise RecipeError("recipe.layer is 0: LoRA has no block to train below it, use 1 or above, or -1")
    copied = frozen_copy(encoder)
    config = adapter_config(method, encoder.source, feed_forward_linears(copied, stop))
    peft.inject_adapter_in_model(config, hugging_face_network(copied))
    return UpperBlocks(copied, 0, stop, head)


def adapter_config(method: Lora, source: str, targets: list[str]) -> Any:
    """The `peft.LoraConfig` of these linears, named by their path in the Hugging Face network."""
    import peft

    return peft.LoraConfig(
        base_model_name_or_path=source,
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=targets,
    )


def feed_forward_linears(encoder: SpeechEncoder, stop: int) -> list[str]:
    """Paths, in the Hugging Face network, of both feed-forward linears of blocks 1 … stop."""
    wanted = {
        id(module)
        for block in list(encoder.blocks)[:stop]
        for name, module in block.named_modules()
        if name.rpartition(".")[2] in encoder.feed_forward_names
    }
    return [name for name, module in hugging_face_network(encoder).named_modules() if id(module) in wanted]


def frames(encoder: SpeechEncoder) -> LiveFrames:
    """Audio through the frozen front end: updates reach down to the first block, which leaves little to cache."""
    return LiveFrames(encoder)


def hugging_face_network(encoder: SpeechEncoder) -> nn.Module:
    """The network as `transformers` knows it, whose paths an adapter is saved under."""
    return encoder.get_submodule("network")


def save(network: UpperBlocks, folder: Path) -> list[str]:
    """Write the adapter as `peft` does; returns the files' names relative to the folder."""
    import peft

    module: Any = hugging_face_network(network.encoder)
    weights = peft.get_peft_model_state_dict(module, save_embedding_layers=False)
    (folder / ADAPTER).mkdir()
    module.peft_config["default"].save_pretrained(folder / ADAPTER)
    save_file({PREFIX + name: weight.contiguous() for name, weight in weights.items()}, folder / ADAPTER / WEIGHTS)
    return [f"{ADAPTER}/{CONFIG}", f"{ADAPTER}/{WEIGHTS}"]


def load(network: UpperBlocks, folder: Path) -> None:
    """Put a saved adapter into the place of the built one."""
    import peft

    weights = load_file(folder / ADAPTER / WEIGHTS)
    module = hugging_face_network(network.encoder)
    peft.set_peft_model_state_dict(module, {name.removeprefix(PREFIX): weight for name, weight in weights.items()})
