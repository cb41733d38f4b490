"""Training losses."""

from torch import Tensor
from torch.nn import functional as F


def soft_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Class-weighted cross-entropy to label distributions: −(1/b) Σ_i Σ_j w_j t_ij log p_ij.

    Divided by the minibatch, not by its weights as in `torch.nn.functional.cross_entropy`: balanced weights average 1
    over the training set, and a minibatch of one class would otherwise lose its weight.

    Args:
        logits: (b, c) float32.
        targets: (b, c) float32, rows summing to 1.
        weights: (c,) float32.
    """
    return -(targets * weights * F.log_softmax(logits, dim=-1)).sum() / len(logits)
