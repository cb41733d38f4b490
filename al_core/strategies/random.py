"""Uniform choice: the control every other strategy is compared with."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions uniformly without replacement; their scores are all 0, because none is better than another."""
    positions = rng.choice(len(pool), size=min(n, len(pool)), replace=False)
    return Selection(positions.astype(np.int64), np.zeros(len(positions), np.float32))
