"""A random share of the batch: a control inside it, and a guard against a strategy that is wrong."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection

Ask = Callable[[PoolView, int, Generator], Selection]


def select(pool: PoolView, n: int, rng: Generator, ask: Ask, share: float = 0.1) -> Selection:
    """n positions: `share` · n drawn uniformly from the pool first, then the inner strategy's from what is left.

    The random clips are a random sample of the whole pool, so what is measured on them holds for the pool; they count
    as covered ground for the inner strategy. In the batch they come last, with score 0.
    """
    drawn = rng.choice(len(pool), round(share * n), replace=False)
    rest = np.setdiff1d(np.arange(len(pool)), drawn)
    wanted = n - len(drawn)
    if wanted == 0:
        return Selection(drawn.astype(np.int64), np.zeros(n, np.float32))
    inner = ask(pool.part(rest, drawn), wanted, rng)
    scores = np.concatenate([inner.scores, np.zeros(len(drawn), np.float32)])
    return Selection(np.concatenate([rest[inner.positions], drawn]), scores)
