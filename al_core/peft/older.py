"""Checkpoints of manifest format 1, from before `trained.safetensors`: last-k blocks, or a LoRA adapter, and a head."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from al_core.peft import injection
from al_core.peft.network import Network

BLOCKS = "blocks.safetensors"
LORA = f"adapter/{injection.WEIGHTS}"
# Where the weights of the head of classes are now.
HEAD = {
    "mean": "trunk.mean",
    "scale": "trunk.scale",
    "seen": "classes.seen",
    "linear.weight": "classes.linear.weight",
    "linear.bias": "classes.linear.bias",
}


def read_older(network: Network, folder: Path) -> dict[str, Tensor]:
    """The trained weights by today's names."""
    if (folder / BLOCKS).is_file():
        at = _path_of_blocks(network)
        return {f"{at}.{name}": weight for name, weight in load_file(folder / BLOCKS).items()}
    return {_lora_name(name): weight for name, weight in load_file(folder / LORA).items()}


def head_of_today(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A head's state by today's names; one of today is returned as it is."""
    return {HEAD[name]: tensor for name, tensor in state.items()} if state.keys() == HEAD.keys() else state


def _path_of_blocks(network: Network) -> str:
    """In the network of `transformers`."""
    paths = {id(module): path for path, module in network.encoder.get_submodule("network").named_modules()}
    path: str = paths[id(network.encoder.blocks)]
    return path


def _lora_name(name: str) -> str:
    path, part, weight = name.removeprefix(injection.PREFIX).rsplit(".", 2)
    return f"{path}.{part}.lora.{weight}"
