"""Paired differences: the same folds before and after, and how far chance alone would move their mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean figures of n folds, each measured before and after.

    Attributes:
        before, after: mean figures, on the figure's own scale.
        gain: after − before.
        low, high: 95 % interval of the gain; None for a single fold, which says nothing about chance.
        n: folds.
    """

    before: float
    after: float
    gain: float
    low: float | None
    high: float | None
    n: int


def paired(before: Sequence[float], after: Sequence[float], overlap: float) -> Paired:
    """The mean of paired differences dᵢ = afterᵢ − beforeᵢ, with its corrected resampled t interval.

    gain ± t₀.₉₇₅(n − 1) · s · √(1/n + overlap), s the standard deviation of the dᵢ. Folds drawn from one corpus share
    clips, so the plain interval of a mean (`overlap` 0) is too narrow; `overlap` = test clips / other clips of a fold
    is the correction of Nadeau & Bengio, "Inference for the generalization error", Machine Learning 52 (2003).

    >>> one = paired([0.5, 0.6], [0.6, 0.7], overlap=0.25)
    >>> round(one.gain, 3), one.n
    (0.1, 2)

    Args:
        before, after: (n,) figures of the same folds in the same order.
        overlap: at least 0.

    Raises:
        ValueError: no fold, or lengths that differ.
    """
    # Imported late: the API's process reads these types, and only a job needs the quantile.
    from scipy.special import stdtrit

    if not before or len(before) != len(after):
        raise ValueError(f"{len(before)} folds before and {len(after)} after: give as many of both, at least one")
    gains = np.subtract(after, before)  # (n,)
    n, gain = len(gains), float(gains.mean())
    half = float(stdtrit(n - 1, 0.975) * gains.std(ddof=1) * (1 / n + overlap) ** 0.5) if n > 1 else None
    return Paired(
        before=float(np.mean(before)),
        after=float(np.mean(after)),
        gain=gain,
        low=None if half is None else gain - half,
        high=None if half is None else gain + half,
        n=n,
    )
