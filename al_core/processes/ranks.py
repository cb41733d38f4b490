"""How the processes of a run stand to each other: who computes which clips, and how what they found is added up.

One process (`Alone`) is the usual case and pays nothing. With more (`Together`), the first one owns the optimiser and
the state; the others compute gradients of their own clips of every minibatch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


class Ranks(Protocol):
    """One process among those of its run. What is not `rank` or `shares` is called by all of them, in one order."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        ...

    def shares(self, positions: Sequence[int]) -> list[list[int]]:
        """A minibatch divided among the processes."""
        ...

    def gathered(self, own: Tensor, rows: Sequence[int]) -> Tensor:
        """The rows of all processes in their order, `rows` of each; those of this process with their graph."""
        ...

    def total(self, own: Tensor) -> Tensor:
        """The sum over all processes of tensors of one shape, without a gradient."""
        ...

    def share_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite the tensors with the first process's."""
        ...

    def add_up(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Add the gradients of all processes into those of the first."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """One process: nothing to share."""

    rank: int = 0

    def shares(self, positions: Sequence[int]) -> list[list[int]]:
        """All of them, once."""
        return [list(positions)]

    def gathered(self, own: Tensor, rows: Sequence[int]) -> Tensor:
        """As they are."""
        return own

    def total(self, own: Tensor) -> Tensor:
        """As it is."""
        return own.detach()

    def share_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Nothing to do."""

    def add_up(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Together:
    """One of several processes in a group.

    Attributes:
        rank, world: its number, and how many there are.
        device: where it computes.
    """

    rank: int
    world: int
    device: torch.device

    def shares(self, positions: Sequence[int]) -> list[list[int]]:
        """Every `world`-th to each; the first process always has one."""
        return [list(positions[rank :: self.world]) for rank in range(self.world)]

    def gathered(self, own: Tensor, rows: Sequence[int]) -> Tensor:
        """Process by process; what is shorter is padded on the way."""
        from accelerate.utils import gather

        longest = max(rows)
        padding = own.new_zeros(longest - len(own), *own.shape[1:])
        padded = gather(torch.cat([own.detach(), padding]))  # (world · longest, …)
        parts = [padded[rank * longest : rank * longest + n] for rank, n in enumerate(rows)]
        parts[self.rank] = own
        return torch.cat(parts)

    def total(self, own: Tensor) -> Tensor:
        """Added up on the processes' devices."""
        from accelerate.utils import reduce

        summed: Tensor = reduce(own.detach().to(self.device), "sum")
        return summed.to(own.device)

    def share_weights(self, weights: Mapping[str, Tensor]) -> None:
        """In one message a type, whatever the number of tensors."""
        from accelerate.utils import broadcast

        for tensors in _by_type(list(weights.values())):
            sent = broadcast(torch.cat([tensor.detach().reshape(-1) for tensor in tensors]))
            if self.rank > 0:
                for tensor, piece in zip(tensors, sent.split([tensor.numel() for tensor in tensors]), strict=True):
                    tensor.detach().copy_(piece.view_as(tensor))

    def add_up(self, weights: Mapping[str, nn.Parameter]) -> None:
        """In one message; a weight without a gradient in the first process has none in the sum."""
        from accelerate.utils import reduce

        own = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights.values()]
        total = reduce(torch.cat([gradient.reshape(-1) for gradient in own]), "sum")
        for weight, piece in zip(weights.values(), total.split([gradient.numel() for gradient in own]), strict=True):
            if weight.grad is not None:
                weight.grad.copy_(piece.view_as(weight))


def _by_type(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    types = dict.fromkeys(tensor.dtype for tensor in tensors)
    return [[tensor for tensor in tensors if tensor.dtype == dtype] for dtype in types]
