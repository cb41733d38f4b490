"""Quotas by length, for batches that short clips must not fill alone."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from al_core.pool import Floats, Ints, PoolView, Selection

Ask = Callable[[PoolView, int, Generator], Selection]


def select(
    pool: PoolView, n: int, rng: Generator, ask: Ask, bounds_s: Sequence[float], shares: Sequence[float]
) -> Selection:
    """n positions: the inner strategy is asked in each band of length for its share of the batch.

    Band b holds the clips from bounds_s[b − 1] up to, but without, bounds_s[b] seconds. Shares are rounded so that they
    sum to n (largest remainders); what a band cannot give is spread over all that is left. In the batch the bands
    follow each other, each best first.
    """
    band = np.searchsorted(np.asarray(bounds_s), pool.durations_s, side="right")
    taken: Ints = np.empty(0, np.int64)
    scores: Floats = np.empty(0, np.float32)
    for b, wanted in enumerate(_rounded(shares, n)):
        taken, scores = _more(pool, np.flatnonzero(band == b), wanted, taken, scores, rng, ask)
    rest = np.setdiff1d(np.arange(len(pool)), taken)
    taken, scores = _more(pool, rest, n - len(taken), taken, scores, rng, ask)
    return Selection(taken, scores)


def _more(
    pool: PoolView, among: Ints, wanted: int, taken: Ints, scores: Floats, rng: Generator, ask: Ask
) -> tuple[Ints, Floats]:
    """What is taken so far and up to `wanted` clips more, `among` these, with their scores."""
    wanted = min(wanted, len(among))
    if wanted == 0:
        return taken, scores
    found = ask(pool.part(among, taken), wanted, rng)
    return np.append(taken, among[found.positions]), np.append(scores, found.scores)


def _rounded(shares: Sequence[float], n: int) -> list[int]:
    """Whole numbers that sum to n, by largest remainders."""
    exact = np.asarray(shares) * n
    whole = np.floor(exact + 1e-9).astype(int)
    for b in np.argsort(whole - exact, kind="stable")[: n - whole.sum()]:
        whole[b] += 1
    return [int(count) for count in whole]
