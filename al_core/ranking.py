"""Rank clips by a value each: a full stable sort whose ties are broken by the generator, never by pool order."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from al_core.pool import Selection


def highest(values: NDArray[np.floating], n: int, rng: Generator) -> Selection:
    """The n positions of the largest values, largest first.

    Pools arrive in import order, speaker after speaker: taking the first of equals would favour one speaker, so the
    positions are shuffled before the stable sort.

    Args:
        values: (pool,) finite.
        n: at most len(values).
        rng: breaks ties.
    """
    shuffled = rng.permutation(len(values))
    order = shuffled[np.argsort(-values[shuffled], kind="stable")][:n]
    return Selection(order.astype(np.int64), values[order].astype(np.float32))
