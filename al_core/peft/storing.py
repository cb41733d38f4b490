"""A network's trained weights as files, and back: one file that holds them all, and `peft`'s own beside it."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from al_core.encoders.whisper import PREFIX as WHISPER
from al_core.manifest import CheckpointError
from al_core.peft import injection
from al_core.peft.network import Network
from al_core.peft.older import read_older

TRAINED = "trained.safetensors"
ADAPTER = "adapter"


def trained_tensors(network: Network) -> dict[str, Tensor]:
    """Everything outside the head that training decided, by a name that stays the same.

    In the encoder it is the path in the network of `transformers`, without the wrappers that `peft` puts in; outside of
    it, `inserted.<kind>.…` and `readout.…`.
    """
    tensors = {
        name: weight.data
        for name, weight in network.named_parameters()
        if weight.requires_grad and not name.startswith("head.")
    }
    tensors |= {f"inserted.{name}": buffer for name, buffer in network.inserted.named_buffers()}
    return {name.removeprefix("encoder.network.").replace(injection.WRAPPED, ""): one for name, one in tensors.items()}


def save_trained(network: Network, folder: Path) -> list[str]:
    """Write `trained.safetensors`; returns its name."""
    save_file({name: tensor.contiguous() for name, tensor in trained_tensors(network).items()}, folder / TRAINED)
    return [TRAINED]


def save_adapter(network: Network, name: str, gates: dict[str, Tensor], folder: str, parent: Path) -> list[str]:
    """Write one of `peft`'s adapters into `parent / folder`; returns the files' names relative to `parent`."""
    inside = WHISPER if network.encoder.family == "whisper" else ""
    injection.write_adapter(network.encoder.get_submodule("network"), name, gates, inside, parent / folder)
    return [f"{folder}/{injection.CONFIG}", f"{folder}/{injection.WEIGHTS}"]


def load_trained(network: Network, folder: Path) -> None:
    """Put saved weights into a network built from the same recipe and encoder.

    Raises:
        CheckpointError: weights are missing, or belong nowhere.
    """
    path = folder / TRAINED
    saved = load_file(path) if path.is_file() else read_older(network, folder)
    tensors = trained_tensors(network)
    differ = sorted(saved.keys() ^ tensors.keys())
    if differ:
        raise CheckpointError(
            f"checkpoint {folder} does not fit its recipe in this version: {differ[0]} and {len(differ) - 1} more "
            "weights are on one side only; open it with the version that wrote it"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(saved[name])
