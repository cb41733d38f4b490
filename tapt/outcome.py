"""The outcome of an objective on one minibatch."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from al_core.processes.ranks import Ranks
from tapt.alarms import Counts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an objective found on one minibatch, or a process's part of it: the parts of all processes add up.

    Attributes:
        loss: scalar in nats, with its gradient.
        accuracy: share of hidden frames whose target was predicted.
        predicted, wanted: (codebooks, K) float64 counts of predicted and wanted discrete targets: units, codebook
            entries, clusters. Collapse is read from them.
        rank: effective rank of the minibatch's frames as the objective reads them, see `embedding_rank`; of several
            processes, the mean of that of each one's frames.
    """

    loss: Tensor
    accuracy: float
    predicted: Counts
    wanted: Counts
    rank: float

    def part(self, weight: float) -> "Outcome":
        """What was found on a process's share, as its part of the minibatch; the loss is taken as weighed already.

        Args:
            weight: the share's part of the minibatch's hidden frames.
        """
        counted = float(weight > 0)
        return replace(
            self,
            accuracy=weight * self.accuracy,
            rank=weight * self.rank,
            predicted=counted * self.predicted,
            wanted=counted * self.wanted,
        )

    def added_up(self, ranks: Ranks) -> "Outcome":
        """The whole minibatch's, from every process's part; its loss has no gradient."""
        figures = np.array([self.loss.item(), self.accuracy, self.rank])
        own = np.concatenate([figures, self.predicted.ravel(), self.wanted.ravel()])
        loss, accuracy, rank, *counts = np.split(ranks.total(torch.from_numpy(own)).numpy(), [1, 2, 3])
        predicted, wanted = np.split(counts[0], 2)
        return Outcome(
            loss=torch.from_numpy(loss)[0],
            accuracy=float(accuracy[0]),
            predicted=predicted.reshape(self.predicted.shape),
            wanted=wanted.reshape(self.wanted.shape),
            rank=float(rank[0]),
        )
