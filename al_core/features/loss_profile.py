"""What an encoder fails to guess of a clip: a self-supervised loss for every stretch of it, before any label."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from al_core.encoders import Batch, SpeechEncoder

STRETCHES = 8


def loss_profiles(encoder: SpeechEncoder, batch: Batch, heard: Tensor, layer: int) -> list[Tensor]:
    """How far a hidden state moves when a stretch of the clip is hidden, stretch by stretch.

    A clip of f frames is cut into `STRETCHES` stretches of equal length. Stretch t is hidden, the encoder runs again,
    and the loss is the mean over the hidden frames of 1 − cos(h̃, h), h̃ what it makes of them and h what it makes of
    them when it hears all. That is data2vec's objective (Baevski et al., arXiv:2202.03555) with the encoder for its own
    teacher and a cosine for a distance, which needs no head, so that every family has it. Costs `STRETCHES` passes.

    Args:
        encoder: in evaluation mode.
        batch: b clips.
        heard: (b, f, d) hidden state `layer` of the clips with nothing hidden.
        layer: which hidden state.

    Returns:
        (1, STRETCHES) float32 in [0, 2] a clip. Stretches of a clip with fewer frames share frames.
    """
    losses = [_losses(encoder, batch, heard, layer, _stretch(batch.lengths, t)) for t in range(STRETCHES)]
    return list(torch.stack(losses, dim=1)[:, None].float())  # b × (1, STRETCHES)


def _losses(encoder: SpeechEncoder, batch: Batch, heard: Tensor, layer: int, masked: Tensor) -> Tensor:
    """(b,) mean losses over the hidden frames, `masked` (b, f) bool."""
    masked = masked.to(heard.device)
    hidden, frame_mask = encoder.front_end(batch, masked)  # (b, f, d)
    guessed = encoder.run(hidden, frame_mask, 0, layer)[-1] if layer else hidden
    apart = (1 - F.cosine_similarity(guessed, heard, dim=-1)) * masked  # (b, f)
    return apart.sum(dim=1) / masked.sum(dim=1)


def _stretch(lengths: Sequence[int], t: int) -> Tensor:
    """(b, f) bool: the frames of stretch t of every clip, at least one."""
    masked = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    for row, frames in zip(masked, lengths, strict=True):
        start = t * frames // STRETCHES
        row[start : max((t + 1) * frames // STRETCHES, start + 1)] = True
    return masked
