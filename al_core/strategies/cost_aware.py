"""What a second of the annotators' time buys: short clips before long ones that are worth no more."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest

Ask = Callable[[PoolView, int, Generator], Selection]


def select(
    pool: PoolView, n: int, rng: Generator, ask: Ask, overhead_s: float = 2.0, candidates_per_pick: int = 2
) -> Selection:
    """n positions of the inner strategy's `candidates_per_pick` · n, by worth per second.

    The r-th best of k candidates is worth 1 − r / k: strategies' scores have no common scale, nor always a sign, and
    their order has. A clip costs its audio plus `overhead_s`. The score is worth ÷ cost.

    Reference: Settles, Craven & Friedland, *Active learning with real annotation costs*, NIPS workshop on
    cost-sensitive learning, 2008, for utility per cost; ranks instead of utilities are ours.
    """
    found = ask(pool, min(candidates_per_pick * n, len(pool)), rng)
    worth = 1 - np.arange(len(found.positions)) / len(found.positions)
    best = highest(worth / (pool.durations_s[found.positions] + overhead_s + 1e-9), n, rng)
    clusters = None if found.clusters is None else found.clusters[best.positions]
    return Selection(found.positions[best.positions], best.scores, clusters)
