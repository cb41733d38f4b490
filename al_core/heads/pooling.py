"""The choice of a pooling over time."""

from typing import assert_never

from torch import Tensor, nn

from al_core.heads.attentive import AttentivePooling
from al_core.heads.masked_mean import masked_mean
from al_core.heads.masked_mean_std import masked_mean_std
from al_core.recipe import Pooling


class MaskedMean(nn.Module):
    """(b, f, d), (b, f) bool → (b, d) float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, d) float32, whatever type the frames have: a sum in half precision loses digits."""
        return masked_mean(frames.float(), frame_mask)


class MaskedMeanStd(nn.Module):
    """(b, f, d), (b, f) bool → (b, 2·d) float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * width

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, 2·d) float32."""
        return masked_mean_std(frames.float(), frame_mask)


Pool = MaskedMean | MaskedMeanStd | AttentivePooling


def build_pool(pooling: Pooling, width: int) -> Pool:
    """The pooling of frames `width` wide; its own `width` is that of what it returns."""
    match pooling:
        case "mean" | "active_mean":  # the second is refused with a network: `Recipe`
            return MaskedMean(width)
        case "mean_std":
            return MaskedMeanStd(width)
        case "attentive":
            return AttentivePooling(width)
        case _:
            assert_never(pooling)
