"""Mean and standard deviation over the frames of each clip, side by side."""

import torch
from torch import Tensor

from al_core.heads.masked_mean import masked_mean

# The gradient of √0 is infinite, and a clip of one frame has variance 0.
SMALLEST_VARIANCE = 1e-10


def masked_mean_std(frames: Tensor, frame_mask: Tensor) -> Tensor:
    """Mean and (population) standard deviation side by side: (b, f, d), (b, f) bool → (b, 2·d)."""
    mean = masked_mean(frames, frame_mask)
    frames = torch.where(frame_mask.unsqueeze(-1), frames, 0)
    variance = masked_mean((frames - mean.unsqueeze(1)) ** 2, frame_mask)
    return torch.cat([mean, variance.clamp(min=SMALLEST_VARIANCE).sqrt()], dim=-1)
