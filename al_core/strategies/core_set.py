"""Core-set: k-centre greedy, the clip furthest from everything labelled or chosen so far."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies.furthest import furthest_first
from al_core.strategies.inputs import finite_rows


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions by argmax_i min_{j ∈ labelled ∪ chosen} ‖x_i − x_j‖, one after the other.

    Without a labelled clip the first is the one nearest to the pool's mean (ours: the paper starts from a given set).
    The score is the distance a clip was chosen at.

    Reference: Sener & Savarese, *Active learning for convolutional neural networks: a core-set approach*, ICLR 2018,
    algorithm 1.

    Raises:
        StrategyError: an embedding is not finite.
    """
    return furthest_first(*finite_rows(pool), n, rng)
