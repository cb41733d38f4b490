"""A process's share of a minibatch, and how what it finds there becomes its part of the whole minibatch's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from al_core.processes.ranks import Alone, Ranks
from tapt.randomness import Stream, generator

_ALONE = Alone()


@dataclass(frozen=True, slots=True)
class Share:
    """The clips of a minibatch that one process computes.

    Attributes:
        minibatch: positions of all clips of the minibatch.
        positions: of this process's. Where there are more processes than clips it is the first clip, computed for
            nothing: every process takes part in every exchange.
        rngs: NumPy's randomness of each of `positions`, drawn from (seed, step, clip), so that masks and whatever else
            is drawn for a clip do not depend on who computes it.
        ranks: this process among the others.
        idle: it has no clip of its own; its weight is 0.
    """

    minibatch: Sequence[int]
    positions: Sequence[int]
    rngs: Sequence[np.random.Generator]
    ranks: Ranks = _ALONE
    idle: bool = False

    @classmethod
    def of(cls, minibatch: Sequence[int], seed: int, step: int, ranks: Ranks = _ALONE) -> "Share":
        """This process's share of the minibatch of a step."""
        own = ranks.shares(minibatch)[ranks.rank]
        positions = own or list(minibatch[:1])
        rngs = [generator(seed, Stream.MASKS, step, position) for position in positions]
        return cls(minibatch, positions, rngs, ranks, idle=not own)

    def weight(self, n: int) -> float:
        """This share's part of what the minibatch holds, n of which are here: a mean over n weighed by it adds up."""
        own = torch.tensor([0.0 if self.idle else float(n)], dtype=torch.float64)
        return float(own / self.ranks.total(own))

    def mean(self, own: Tensor, weight: float) -> Tensor:
        """The minibatch's mean, given that of this share and its weight; the gradient is this share's part of it."""
        part = weight * own
        return part + (self.ranks.total(part) - part.detach())


def part_of_common(common: Tensor, weight: float) -> Tensor:
    """A term that every process computes of the whole minibatch, so that the processes' values add up to one of it.

    Its gradient stays whole: it flows into this process's share alone, see `Share.mean`.
    """
    return common - (1 - weight) * common.detach()
