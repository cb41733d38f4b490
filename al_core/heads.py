"""Poolings over time and the categorical head of fine-tuned encoders."""

from typing import assert_never

import torch
from torch import Tensor, nn

from al_core.logistic import Logistic
from al_core.recipe import Pooling


def masked_mean(frames: Tensor, frame_mask: Tensor) -> Tensor:
    """Mean over the frames that exist: (b, f, d), (b, f) bool → (b, d) in the frames' dtype."""
    weight = frame_mask.unsqueeze(-1).to(frames.dtype)  # (b, f, 1)
    # where, not a product: padding may hold NaN or infinity, which 0 would not silence.
    kept = torch.where(frame_mask.unsqueeze(-1), frames, 0)
    return kept.sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def masked_mean_std(frames: Tensor, frame_mask: Tensor) -> Tensor:
    """Mean and (population) standard deviation side by side: (b, f, d), (b, f) bool → (b, 2·d)."""
    mean = masked_mean(frames, frame_mask)
    frames = torch.where(frame_mask.unsqueeze(-1), frames, 0)
    variance = masked_mean((frames - mean.unsqueeze(1)) ** 2, frame_mask)
    # The gradient of √0 is infinite; a clip of one frame has variance 0.
    return torch.cat([mean, variance.clamp(min=1e-10).sqrt()], dim=-1)


def pool(frames: Tensor, frame_mask: Tensor, pooling: Pooling) -> Tensor:
    """(b, f, d) → (b, d), or (b, 2·d) with "mean_std"."""
    match pooling:
        case "mean":
            return masked_mean(frames, frame_mask)
        case "mean_std":
            return masked_mean_std(frames, frame_mask)
        case _:
            assert_never(pooling)


class CategoricalHead(nn.Module):
    """Pool over time, standardise, one linear layer: logits over the scheme's classes.

    The standardisation is fixed when the head starts (buffers `mean`, `scale`); weights and bias are trained. Classes
    without a training label (buffer `seen`) keep the lowest logit there is, so their probability is 0.

    Args:
        width: d, of the frames.
        n_classes: c, the length of the scheme.
        pooling: over time.
    """

    mean: Tensor
    scale: Tensor
    seen: Tensor

    def __init__(self, width: int, n_classes: int, pooling: Pooling) -> None:
        super().__init__()
        pooled = 2 * width if pooling == "mean_std" else width
        self.pooling: Pooling = pooling
        self.linear = nn.Linear(pooled, n_classes)
        self.register_buffer("mean", torch.zeros(pooled))
        self.register_buffer("scale", torch.ones(pooled))
        self.register_buffer("seen", torch.ones(n_classes, dtype=torch.bool))

    def start_from(self, logistic: Logistic) -> None:
        """Become a fitted logistic regression: probe first, then fine-tune (Kumar et al., arXiv:2202.10054)."""
        device = self.mean.device
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(logistic.mean))
            self.scale.copy_(torch.from_numpy(logistic.scale))
            self.linear.weight.copy_(torch.from_numpy(logistic.weights))
            bias = torch.from_numpy(logistic.bias).to(device)
            self.seen.copy_(bias.isfinite())
            self.linear.bias.copy_(torch.where(bias.isfinite(), bias, 0))

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, f, d), (b, f) bool → (b, c) float32 logits."""
        pooled = pool(frames.float(), frame_mask, self.pooling)
        logits: Tensor = self.linear((pooled - self.mean) / self.scale).float()
        return logits.masked_fill(~self.seen, torch.finfo(torch.float32).min)
