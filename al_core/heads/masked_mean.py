"""Mean over the frames of each clip."""

import torch
from torch import Tensor


def masked_mean(frames: Tensor, frame_mask: Tensor) -> Tensor:
    """Mean over the frames that exist: (b, f, d), (b, f) bool → (b, d) in the frames' dtype."""
    weight = frame_mask.unsqueeze(-1).to(frames.dtype)  # (b, f, 1)
    # where, not a product: padding may hold NaN or infinity, which 0 would not silence.
    kept = torch.where(frame_mask.unsqueeze(-1), frames, 0)
    return kept.sum(dim=1) / weight.sum(dim=1).clamp(min=1)
