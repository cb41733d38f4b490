"""The bootstrap over speakers: which clips are drawn together, and intervals from sums over them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_core.pool import Ints

CONFIDENCE = 0.95
_COUNTS_AT_ONCE = 4_000_000  # bounds the (resamples, units) counts held: 32 MB

Doubles = NDArray[np.float64]


class Interval(NamedTuple):
    """Bounds of a 95 % percentile interval."""

    low: float
    high: float


def resampling_units(speakers: Sequence[str | None]) -> Ints:
    """(n,) number of each clip's resampling unit: its speaker, or itself where speakers cannot serve.

    Clips of one speaker are not independent, so an interval over clips would be too narrow (Davison & Hinkley,
    *Bootstrap Methods*, 1997, section 3.8). Where a speaker is unknown, or there is only one, clips are resampled.
    """
    known = [speaker for speaker in speakers if speaker is not None]
    if len(known) < len(speakers) or len(set(known)) < 2:
        return np.arange(len(speakers), dtype=np.int64)
    return np.unique(known, return_inverse=True)[1].astype(np.int64)


def sums_by_unit(units: Ints, columns: Doubles) -> Doubles:
    """(n, k) numbers a clip → (u, k) sums a unit: all that a figure made of sums needs of its clips."""
    sums = np.zeros((int(units.max()) + 1, columns.shape[1]))
    np.add.at(sums, units, columns)
    return sums


def resampled(sums: Doubles, seed: int, resamples: int) -> Iterator[Doubles]:
    """Sums over units drawn with replacement, as many as there are; no resample touches a clip.

    Args:
        sums: (u, k) from `sums_by_unit`.
        seed: of the draws; the same units and seed give the same draws.
        resamples: r.

    Yields:
        (at most r, k) pieces, r rows in all.
    """
    n_units, rng = len(sums), np.random.default_rng(seed)
    at_once = max(1, _COUNTS_AT_ONCE // n_units)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        times = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=size)  # (size, u)
        yield times.astype(np.float64) @ sums


def interval(figures: Sequence[Doubles]) -> Interval:
    """Percentile interval of a figure over all resamples; those in which it does not exist (NaN) are left out."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(np.concatenate(figures), [tail, 1 - tail])
    return Interval(float(low), float(high))
