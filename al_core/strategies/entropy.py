"""Entropy sampling: the clips whose predicted class distribution says least."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.inputs import trained_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """The n clips of largest entropy H(p) = −Σ_k p_k ln p_k, in nats, with 0 ln 0 = 0.

    Reference: Settles, *Active Learning Literature Survey*, 2009, eq. 3 (Shannon, 1948).

    Raises:
        StrategyError: probabilities are missing or not finite.
    """
    p = trained_probabilities(pool)  # (n, c)
    return highest(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1), n, rng)
