"""Effective rank: in how many directions an encoder's frames differ."""

import torch
from torch import Tensor

ROWS = 128  # frames it is measured on: enough to tell a collapse, and a millisecond


def embedding_rank(frames: Tensor) -> float:
    """exp H(p) with p the singular values of the frames over their sum (Roy & Vetterli, EUSIPCO 2007).

    RankMe (Garrido et al., arXiv:2210.02885) watches self-supervised runs by it. The frames are not centred: frames
    that all became the same have rank 1.

    Args:
        frames: (n, d); up to `ROWS` of them, evenly spaced, are looked at.

    Returns:
        From 1 to min(n, ROWS, d); NaN where a frame is not finite.

    >>> round(embedding_rank(torch.eye(4)), 6)
    4.0
    """
    stride = -(-len(frames) // ROWS)
    looked_at = frames.detach()[::stride].double()
    if not bool(looked_at.isfinite().all()):
        return float("nan")
    singular = torch.linalg.svdvals(looked_at)
    p = singular / singular.sum()
    return float(torch.exp(torch.special.entr(p).sum()))
