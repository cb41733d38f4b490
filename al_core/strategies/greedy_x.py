"""Greedy sampling in the inputs (GSx): coverage of the embeddings, for schemes of dimensions."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies.furthest import furthest_first
from al_core.strategies.inputs import finite_rows


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions: the clip nearest to the pool's mean where no label is, then always the furthest from all known ones.

    d_i = min_{j ∈ labelled ∪ chosen} ‖x_i − x_j‖, the largest d_i next: the search of `core_set`, which came to it
    from classification; here under the name by which regression knows it. The score is d_i.

    Reference: Wu, Lin & Huang, *Active learning for regression using greedy sampling*, Information Sciences 2019,
    algorithm 1 (GSx; Yu & Kim, 2010).

    Raises:
        StrategyError: an embedding is not finite.
    """
    return furthest_first(*finite_rows(pool), n, rng)
