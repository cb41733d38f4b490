"""Statistical attentive pooling: mean and standard deviation under learned weights over time."""

import torch
from torch import Tensor, nn

from al_core.heads.masked_mean_std import SMALLEST_VARIANCE


class AttentivePooling(nn.Module):
    """μ = Σ_t α_t h_t and σ = √(Σ_t α_t h_t² − μ²), with α = softmax_t(v · tanh(W h_t + b)), over a clip's own frames.

    v starts at zero, so that every frame weighs the same and training starts at mean and standard deviation. There is
    no bias beside v: the softmax would cancel it.

    Reference: Okabe, Koshinaka & Shinoda, *Attentive Statistics Pooling for Deep Speaker Embedding*, Interspeech 2018
    (arXiv:1803.10963), eq. 3-6; used on emotion by Song et al., arXiv:2509.23795.

    Args:
        width: d, of the frames.
        hidden: rows of W; 128 is ours.
    """

    def __init__(self, width: int, hidden: int = 128) -> None:
        super().__init__()
        self.width = 2 * width
        self.hidden = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(b, f, d), (b, f) bool → (b, 2·d) float32."""
        frames = torch.where(frame_mask.unsqueeze(-1), frames, 0)
        scores = self.score(torch.tanh(self.hidden(frames))).float()  # (b, f, 1)
        alpha = scores.masked_fill(~frame_mask.unsqueeze(-1), -torch.inf).softmax(dim=1)
        frames = frames.float()
        mean = (alpha * frames).sum(dim=1)  # (b, d)
        # About the mean, not E h² − μ²: the difference of two large float32 numbers would lose small deviations.
        variance = (alpha * (frames - mean.unsqueeze(1)) ** 2).sum(dim=1)
        return torch.cat([mean, variance.clamp(min=SMALLEST_VARIANCE).sqrt()], dim=-1)
