"""Distractors of the contrastive loss: other hidden frames of the same clip."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def draw_negatives(
    hidden_frames: Sequence[int], n: int, rngs: Sequence[np.random.Generator]
) -> list[NDArray[np.int64]]:
    """Uniformly, with replacement, never the frame itself (Baevski et al., arXiv:2006.11477, section 3.2).

    Args:
        hidden_frames: of each clip, none, or two and more.
        n: distractors a frame.
        rngs: source of randomness of each clip.

    Returns:
        (m_i, n) int64 a clip: numbers of hidden frames of that clip.

    Raises:
        ValueError: a clip with a single hidden frame.
    """
    drawn = []
    for m, rng in zip(hidden_frames, rngs, strict=True):
        if m == 1:
            raise ValueError("a hidden frame that is alone in its clip has no distractor")
        others = rng.integers(0, max(m - 1, 1), (m, n))
        # Skipping the frame itself keeps the rest uniform.
        drawn.append(others + (others >= np.arange(m)[:, None]))
    return drawn
