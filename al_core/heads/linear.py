"""The linear head's trunk: pool over time, standardise. What follows is one linear layer an output."""

import torch
from torch import Tensor, nn

from al_core.heads.pooling import build_pool
from al_core.linear.standardise import Standard
from al_core.recipe import Pooling


class LinearTrunk(nn.Module):
    """(pool(h) − mean) / scale, with mean and scale fixed when the head starts.

    Args:
        width: d, of the frames.
        pooling: over time.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, pooling: Pooling) -> None:
        super().__init__()
        self.pool = build_pool(pooling, width)
        self.width = self.pool.width
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    def standardise(self, standard: Standard) -> None:
        """Fix the standardisation."""
        self.mean.copy_(torch.from_numpy(standard.mean))
        self.scale.copy_(torch.from_numpy(standard.scale))

    def pooled(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, f, d), (b, f) bool → (b, p) float32, before the standardisation."""
        pooled: Tensor = self.pool(frames, frame_mask)
        return pooled

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, f, d), (b, f) bool → (b, p) float32."""
        return (self.pooled(frames, frame_mask) - self.mean) / self.scale
