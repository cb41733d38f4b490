"""PEFT-SER's trunk: pointwise convolutions, pooling over time, one hidden layer."""

import torch
from torch import Tensor, nn

from al_core.heads.pooling import build_pool
from al_core.linear.standardise import Standard
from al_core.recipe import Pooling

WIDTH = 256
DROPOUT = 0.1


class ConvTrunk(nn.Module):
    """(h − mean) / scale → three convolutions of one frame (ReLU and dropout between) → masked pooling → linear → ReLU.

    A convolution of one frame is a linear layer on every frame, and is written as one. With the linear output behind
    it, mean pooling, 768-wide frames and four classes it has 395,268 weights; the weighted sum of 12 layers, which is a
    method of its own here, makes them the paper's 395,280.

    Reference: Feng & Narayanan, *PEFT-SER*, ACII 2023 (arXiv:2306.05350); layer order and dropout from its code
    (usc-sail/peft-ser, model/wavlm_plus.py), which has no ReLU behind the last convolution.

    Two things are ours: mean and scale of every column, fixed when the head starts, over all frames of the training
    clips; and weights that start as large as ReLUs need (He et al., arXiv:1502.01852). Without them what all frames
    share drowns what tells clips apart, and the head stays at chance for epochs.

    Args:
        width: d, of the frames.
        pooling: over time; the paper's is "mean".
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, pooling: Pooling) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.convs = nn.Sequential(
            nn.Linear(width, WIDTH),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(WIDTH, WIDTH),
        )
        self.pool = build_pool(pooling, WIDTH)
        self.hidden = nn.Linear(self.pool.width, WIDTH)
        self.width = WIDTH
        for layer in (*self.convs, self.hidden):
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def standardise(self, standard: Standard) -> None:
        """Fix the standardisation of frames."""
        self.mean.copy_(torch.from_numpy(standard.mean))
        self.scale.copy_(torch.from_numpy(standard.scale))

    def pooled(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, f, d), (b, f) bool → (b, p) float32, before the hidden layer."""
        # Padding that holds NaN or infinity would reach the gradient of the weights, times 0.
        frames = torch.where(frame_mask.unsqueeze(-1), (frames - self.mean) / self.scale, 0)
        pooled: Tensor = self.pool(self.convs(frames), frame_mask)
        return pooled

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, f, d), (b, f) bool → (b, 256)."""
        hidden: Tensor = self.hidden(self.pooled(frames, frame_mask))
        return hidden.relu()
