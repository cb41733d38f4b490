"""What training changes in a network: the trained weights, and what its head fixes when it starts."""

from torch import Tensor, nn

from al_core.peft.network import Network


def trainable(network: Network) -> dict[str, nn.Parameter]:
    """The weights that take a gradient, by name."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def changing(network: Network) -> dict[str, Tensor]:
    """The trained weights and the head's buffers, by name: with these, a network built anew is the same."""
    buffers = {f"head.{name}": buffer for name, buffer in network.head.named_buffers()}
    return {**trainable(network), **buffers}


def snapshot(network: Network) -> dict[str, Tensor]:
    """A copy of what training changes."""
    return {name: tensor.detach().clone() for name, tensor in changing(network).items()}


def restore(network: Network, kept: dict[str, Tensor]) -> None:
    """Put a snapshot back."""
    for name, tensor in changing(network).items():
        tensor.data.copy_(kept[name])
