"""The outcome of an objective on one minibatch."""

from dataclasses import dataclass

from torch import Tensor

from tapt.alarms import Counts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an objective found on one minibatch.

    Attributes:
        loss: scalar in nats, with its gradient.
        accuracy: share of hidden frames whose target was predicted.
        predicted, wanted: (codebooks, K) float64 counts of predicted and wanted discrete targets: units, codebook
            entries, clusters. Collapse is read from them.
        rank: effective rank of the minibatch's frames as the objective reads them, see `embedding_rank`.
    """

    loss: Tensor
    accuracy: float
    predicted: Counts
    wanted: Counts
    rank: float
