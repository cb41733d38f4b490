"""Figures with their intervals: a coefficient by bootstrap, a share by Wilson."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from al_core.agreement.answers import Floats

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A figure of agreement with its percentile interval.

    Attributes:
        value: over all clips.
        low, high: of the bootstrap over clips; NaN where hardly any resample defines the figure.
        n_clips: clips it rests on.
    """

    value: float
    low: float
    high: float
    n_clips: int


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n` with Wilson's interval; the value is NaN where n is 0."""

    hits: int
    n: int
    value: float
    low: float
    high: float


def percentiles(value: float, resampled: Floats, n_clips: int) -> Coefficient:
    """The figure with the percentile interval of its resamples; undefined (NaN) resamples are left out."""
    defined = resampled[np.isfinite(resampled)]
    if len(defined) < 2:
        return Coefficient(float(value), float("nan"), float("nan"), n_clips)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Coefficient(float(value), float(low), float(high), n_clips)


def wilson(hits: int, n: int, level: float = LEVEL) -> Share:
    """Wilson's score interval of a share: centre (p + z²/2n) / (1 + z²/n), never outside [0, 1].

    Reference: Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22, 1927.

    >>> share = wilson(8, 10)
    >>> round(share.low, 3), round(share.high, 3)
    (0.49, 0.943)
    """
    if n == 0:
        return Share(0, 0, float("nan"), 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, shrink = hits / n, 1 / (1 + z * z / n)
    centre = (p + z * z / (2 * n)) * shrink
    half = z * shrink * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return Share(int(hits), int(n), p, max(0.0, centre - half), min(1.0, centre + half))
