"""What LoRA, DoRA and IA³ share: `peft` puts them in, writes them as its own files, and merges them."""

import copy
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

# The names and the prefix `peft` gives its own files, so that `PeftModel.from_pretrained` opens the folder.
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
WRAPPED = ".base_layer"  # the path of a linear inside its wrapper


def inject(config: Any, name: str, network: Any) -> None:
    """Wrap the configured linears of a `transformers` network, and leave alone what other methods did to it.

    `peft` by itself freezes every other weight, and switches adapters of another name off.
    """
    import peft

    before = [(weight, weight.requires_grad) for weight in network.parameters()]
    earlier = dict(getattr(network, "peft_config", {}))
    if earlier:
        del network.peft_config  # seen there, it is warned about and mixed up
    peft.inject_adapter_in_model(config, network, adapter_name=name)
    network.peft_config = earlier | network.peft_config
    for layer in layers(network).values():
        held = getattr(layer, layer.adapter_layer_names[0])
        layer.set_adapter([known for known in network.peft_config if known in held])
    for weight, learns in before:
        weight.requires_grad_(learns)


def layers(network: nn.Module) -> dict[str, Any]:
    """Everything `peft` has put in, outermost first, by path."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {path: module for path, module in network.named_modules() if isinstance(module, BaseTunerLayer)}


def low_rank_layers(network: nn.Module, name: str) -> dict[str, Any]:
    """The wrappers that hold A and B of this name, by the path of what they wrap."""
    return {
        path.replace(WRAPPED, ""): layer
        for path, layer in layers(network).items()
        if name in getattr(layer, "lora_B", ())
    }


def write_adapter(network: Any, name: str, gates: dict[str, Tensor], inside: str, folder: Path) -> None:
    """Write one adapter as `peft` does, for what `AutoModel` opens; a gate becomes part of the B that it scales.

    Args:
        network: of `transformers`.
        name: of the adapter.
        gates: factors by path of the linear.
        inside: the network's path in what `AutoModel` opens, with its dot; empty where it is the network.
        folder: is made.
    """
    import peft

    weights = peft.get_peft_model_state_dict(network, adapter_name=name, save_embedding_layers=False)
    weights = {path.replace(WRAPPED, ""): weight for path, weight in weights.items()}
    for path, factor in gates.items():
        weights[f"{path}.lora_B.weight"] = factor * weights[f"{path}.lora_B.weight"]
    folder.mkdir()
    _config_for(network, name, inside).save_pretrained(folder)
    save_file({PREFIX + inside + path: weight.contiguous() for path, weight in weights.items()}, folder / WEIGHTS)


def _config_for(network: Any, name: str, inside: str) -> Any:
    """The adapter's configuration with every linear by its whole path: `peft` shortens them to what is unique here."""
    config = copy.copy(network.peft_config[name])
    held = [
        path.replace(WRAPPED, "")
        for path, layer in layers(network).items()
        if name in getattr(layer, layer.adapter_layer_names[0])
    ]
    config.target_modules = sorted(inside + path for path in held)
    if getattr(config, "feedforward_modules", None):
        config.feedforward_modules = sorted(inside + path for path in config.feedforward_modules)
    return config


def merge(network: nn.Module, name: str, gates: dict[str, Tensor]) -> None:
    """Fold gates into the B that they scale, in place; `unwrap` follows."""
    for path, layer in low_rank_layers(network, name).items():
        if path in gates:
            layer.lora_B[name].weight.data *= gates[path]


def unwrap(network: Any) -> None:
    """Put every wrapped linear in its wrapper's place, what wrapped it merged into its weights, in place."""
    # Innermost first: a factor of IA³ scales what LoRA has already added.
    for path, layer in reversed(layers(network).items()):
        layer.merge()
        parent, _, attribute = path.rpartition(".")
        setattr(network.get_submodule(parent), attribute, layer.base_layer)
    if hasattr(network, "peft_config"):
        del network.peft_config
