"""k-means sampling: one clip from the middle of each part of the pool."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies.clustering import most_central
from al_core.strategies.inputs import finite_rows


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions: part the pool into n clusters and take the clip nearest to each centre, large clusters first.

    What is labelled is not looked at: `typiclust` and `core_set` do. The score is 1 / (1 + distance to the centre).

    Reference: Bodó, Minier & Csató, *Active learning with clustering*, JMLR W&CP 16, 2011.

    Raises:
        StrategyError: an embedding is not finite.
    """
    own, _ = finite_rows(pool)
    return most_central(own, n, rng)
