"""The processes that share a run: each computes its own clips of every minibatch, all see the whole minibatch's loss.

One process (`Alone`) is the usual case and pays nothing. With more (`Together`), the first one owns the optimiser,
early stopping, state and result. In every step it sends its weights; each process runs its own clips of a minibatch;
all outputs are gathered, so that every process computes the loss of the *whole* minibatch, and only the gradients of
its own clips, which are added up. So the loss may be anything (CCC is no mean over clips), the minibatch is the
recipe's, and the weights are those of one process up to the order of float32 sums; only dropout is drawn differently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from al_core.heads import Outputs


class Ranks(Protocol):
    """How one process stands to the others."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        ...

    def own(self, positions: Sequence[int]) -> list[int]:
        """This process's share of a minibatch."""
        ...

    def joined(self, outputs: Outputs, positions: Sequence[int]) -> tuple[Outputs, list[int]]:
        """All outputs of a minibatch, those of this process with their graph, and the positions they belong to."""
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

    def own(self, positions: Sequence[int]) -> list[int]:
        """All of them."""
        return list(positions)

    def joined(self, outputs: Outputs, positions: Sequence[int]) -> tuple[Outputs, list[int]]:
        """As they are."""
        return outputs, list(positions)

    def share_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Nothing to do."""

    def add_up(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Together:
    """One of several processes in a group that `accelerate` has joined; every call is made by all of them."""

    rank: int
    world: int

    def own(self, positions: Sequence[int]) -> list[int]:
        """Every `world`-th; the first process always has one."""
        return list(positions[self.rank :: self.world])

    def joined(self, outputs: Outputs, positions: Sequence[int]) -> tuple[Outputs, list[int]]:
        """Gathered process by process; the smaller shares are padded on the way."""
        from accelerate.utils import gather

        shares = [list(positions[rank :: self.world]) for rank in range(self.world)]
        longest = len(shares[0])
        own = torch.cat([outputs.logits, outputs.dimensions], dim=1)  # (b / world, c + m)
        padding = own.new_zeros(longest - len(own), own.shape[1])
        gathered = gather(torch.cat([own.detach(), padding]))  # (world · longest, c + m)
        parts = [gathered[rank * longest : rank * longest + len(share)] for rank, share in enumerate(shares)]
        parts[self.rank] = own
        together = torch.cat(parts)  # (b, c + m)
        n_classes = outputs.logits.shape[1]
        return Outputs(together[:, :n_classes], together[:, n_classes:]), [i for share in shares for i in share]

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
