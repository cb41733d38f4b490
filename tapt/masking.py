"""Span masks: which frames an encoder must not see."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def mask_spans(lengths: Sequence[int], share: float, span: int, rngs: Sequence[np.random.Generator]) -> Mask:
    """Hide about `share` of each clip's frames under spans that do not overlap.

    HuBERT (arXiv:2106.07447) draws span starts independently, so overlaps make the covered share smaller than
    the number asked for. Here m = share · f / span spans (rounded up or down at random, so that the share holds on
    average) are laid uniformly among all placements without overlap; spans may touch. Our reading for short clips:
    a span never exceeds half the clip, every clip of two frames or more is masked somewhere and visible somewhere.

    Args:
        lengths: frames of each clip, padding excluded.
        share: share of frames to hide, between 0 and 1.
        span: frames a span.
        rngs: source of randomness of each clip.

    Returns:
        (b, f) bool, f the longest length; True is hidden. Padding is never hidden.
    """
    masked = np.zeros((len(lengths), max(lengths, default=0)), dtype=np.bool_)
    for row, frames, rng in zip(masked, lengths, rngs, strict=True):
        row[:frames] = _mask_clip(frames, share, span, rng)
    return masked


def _mask_clip(frames: int, share: float, span: int, rng: np.random.Generator) -> Mask:
    """(f,) bool mask of one clip."""
    masked = np.zeros(frames, dtype=np.bool_)
    if frames < 2:
        return masked
    width = min(span, frames // 2)
    wanted = int(share * frames / width + rng.random())
    count = min(max(wanted, 1), (frames - 1) // width)
    # Shrinking each span to its first frame makes placements without overlap a plain choice without replacement.
    places = np.sort(rng.choice(frames - count * (width - 1), size=count, replace=False))
    starts = places + np.arange(count) * (width - 1)
    masked[(starts[:, None] + np.arange(width)).ravel()] = True
    return masked
