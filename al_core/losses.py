"""Training losses: of classes (cross-entropy or focal, both to label distributions) and of dimensions (1 − CCC)."""

from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional as F

from al_core.heads.outputs import Outputs
from al_core.recipe import Recipe

# Of the unit scale: far below the variance of any labels that differ, far above what float32 cannot tell from 0.
_SMALLEST_SPREAD = 1e-8
_SMALLEST_DOUBT = 1e-6


def training_loss(
    recipe: Recipe, outputs: Outputs, targets: Tensor, dimensions: Tensor | None, class_weights: Tensor
) -> Tensor:
    """The recipe's loss of the classes plus `dimension_weight` times that of the dimensions; a float32 scalar.

    Args:
        recipe: loss, focal_gamma, label_smoothing and dimension_weight are read.
        outputs: of the network, for b clips.
        targets: (b, c) float32; rows sum to 1, or are 0 where no class is known.
        dimensions: (b, m) float32 on the unit scale, NaN where unknown; None without dimensions.
        class_weights: (c,) float32.
    """
    loss = outputs.logits.new_zeros(())
    if outputs.logits.shape[1] > 0:
        smooth = smoothed(targets, outputs.logits, recipe.label_smoothing)
        match recipe.loss:
            case "cross_entropy":
                loss = soft_cross_entropy(outputs.logits, smooth, class_weights)
            case "focal":
                loss = soft_focal(outputs.logits, smooth, class_weights, recipe.focal_gamma)
            case _:
                assert_never(recipe.loss)
    if dimensions is not None and outputs.dimensions.shape[1] > 0:
        loss = loss + recipe.dimension_weight * ccc_loss(outputs.dimensions, dimensions)
    return loss


def smoothed(targets: Tensor, logits: Tensor, smoothing: float) -> Tensor:
    """Label smoothing (Szegedy et al., arXiv:1512.00567): (1 − ε) t + ε / c′, over the c′ classes that are predicted.

    A class that never occurs in training has the lowest logit there is; to ask it for a probability would make the
    loss infinite. Rows of zeros, clips without a class, stay zero.

    Args:
        targets, logits: (b, c) float32.
        smoothing: ε.
    """
    if smoothing == 0:
        return targets
    possible = (logits > torch.finfo(logits.dtype).min).to(targets.dtype)  # (b, c)
    uniform = possible / possible.sum(dim=-1, keepdim=True)
    return (1 - smoothing) * targets + smoothing * uniform * targets.sum(dim=-1, keepdim=True)


def soft_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Class-weighted cross-entropy to label distributions: −(1/b) Σ_i Σ_j w_j t_ij log p_ij.

    Divided by the minibatch, not by its weights as `torch.nn.functional.cross_entropy` does with class indices:
    balanced weights average 1 over the training set, and a minibatch of one class would otherwise lose its weight.

    Args:
        logits: (b, c) float32.
        targets: (b, c) float32, rows summing to 1, or 0 where no class is known.
        weights: (c,) float32.
    """
    return -(targets * weights * F.log_softmax(logits, dim=-1)).sum() / len(logits)


def soft_focal(logits: Tensor, targets: Tensor, weights: Tensor, gamma: float) -> Tensor:
    """Focal loss to label distributions: −(1/b) Σ_i Σ_j w_j t_ij (1 − p_ij)^γ log p_ij.

    Lin et al. (arXiv:1708.02002, eq. 4) on one-hot targets; the sum over soft ones is our reading. γ = 0 is the
    cross-entropy.

    Args:
        logits, targets, weights: as of `soft_cross_entropy`.
        gamma: γ ≥ 0.
    """
    log_p = F.log_softmax(logits, dim=-1)
    # Below γ = 1 the slope of (1 − p)^γ at p = 1 is infinite, times a log p of 0.
    doubt = (1 - log_p.exp()).clamp(min=_SMALLEST_DOUBT)
    return -(targets * weights * doubt**gamma * log_p).sum() / len(logits)


def ccc_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Σ_k (1 − CCC_k) over the dimensions, each over the clips of the minibatch whose value is known.

    CCC = 2 cov(x, y) / (var x + var y + (mean x − mean y)²), population moments (arXiv:2402.11747).

    A dimension without a known value in the minibatch adds 0. Where its known values are a single one or all the same,
    CCC is 0 whatever is predicted: it adds 1, and its gradient is 0, never NaN. Such a minibatch teaches nothing about
    the dimension, so training needs minibatches of several clips.

    Args:
        predicted: (b, m) float32 on the unit scale.
        truth: (b, m) float32 on the unit scale, NaN where unknown.
    """
    known = truth.isfinite()
    n = known.sum(dim=0).clamp(min=1)  # (m,)

    def mean(values: Tensor) -> Tensor:
        # where, not a product: NaN × 0 is NaN, in the gradient too.
        return torch.where(known, values, 0).sum(dim=0) / n

    truth = torch.where(known, truth, 0)
    mean_x, mean_y = mean(predicted), mean(truth)  # (m,)
    x, y = predicted - mean_x, truth - mean_y  # (b, m)
    spread = mean(x**2) + mean(y**2) + (mean_x - mean_y) ** 2
    ccc = 2 * mean(x * y) / (spread + _SMALLEST_SPREAD)
    return torch.where(known.any(dim=0), 1 - ccc, 0).sum()
