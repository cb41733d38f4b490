"""Choose a strategy by its description and ask it for positions."""

from typing import assert_never

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies import (
    badge,
    core_set,
    coverage_then_margin,
    entropy,
    least_confidence,
    margin,
    modal,
    random,
    typiclust,
)
from al_core.strategies.specs import (
    Badge,
    CoreSet,
    CoverageThenMargin,
    Entropy,
    LeastConfidence,
    Margin,
    Modal,
    Random,
    Strategy,
    StrategyError,
    TypiClust,
)


def query(strategy: Strategy, pool: PoolView, n: int, rng: Generator) -> Selection:
    """min(n, len(pool)) different positions of the pool, best first, each with its score.

    Args:
        strategy: which, with its parameters.
        pool: what may be seen.
        n: size of the acquisition batch, at least 0; more than the pool holds takes the whole pool.
        rng: the only source of randomness: the same state gives the same selection.

    Raises:
        StrategyError: n is negative, probabilities are missing or not finite, or a modAL callable fails.
    """
    if n < 0:
        raise StrategyError(f"cannot choose {n} clips: ask for 0 or more")
    n = min(n, len(pool))
    if n == 0:
        return Selection(np.empty(0, np.int64), np.empty(0, np.float32))
    match strategy:
        case Random():
            return random.select(pool, n, rng)
        case Entropy():
            return entropy.select(pool, n, rng)
        case LeastConfidence():
            return least_confidence.select(pool, n, rng)
        case Margin():
            return margin.select(pool, n, rng)
        case CoreSet():
            return core_set.select(pool, n, rng)
        case Badge():
            return badge.select(pool, n, rng)
        case TypiClust(neighbours=neighbours):
            return typiclust.select(pool, n, rng, neighbours)
        case CoverageThenMargin(coverage_per_class=per_class, candidates_per_pick=per_pick):
            return coverage_then_margin.select(pool, n, rng, per_class, per_pick)
        case Modal(path=path):
            return modal.select(pool, n, rng, path)
        case _:
            assert_never(strategy)
