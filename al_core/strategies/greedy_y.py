"""Greedy sampling in the outputs (GSy): clips whose predicted values nobody has answered yet."""

import numpy as np
from numpy.random import Generator

from al_core.pool import Floats, PoolView, Selection
from al_core.strategies.errors import StrategyError
from al_core.strategies.furthest import furthest_first
from al_core.strategies.inputs import predicted_dimensions
from al_core.strategies.rows import Rows


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions by argmax_i min_j ‖ŷ_i − y_j‖ over labelled and chosen clips j, a chosen clip with its ŷ_j.

    Values are on the unit scale of each dimension and distances Euclidean over all dimensions (ours: the paper has one
    output). A labelled clip counts where all its dimensions are known. The score is the distance.

    Reference: Wu, Lin & Huang, *Active learning for regression using greedy sampling*, Information Sciences 2019,
    algorithm 2 (GSy).

    Raises:
        StrategyError: no dimensions are predicted or known, or a prediction is not finite.
    """
    predicted = predicted_dimensions(pool).astype(np.float32)  # (n, k)
    return furthest_first(Rows((predicted,)), Rows((_known(pool),)), n, rng)


def _known(pool: PoolView) -> Floats:
    """(m', k) values of the labelled clips all of whose dimensions are known."""
    if pool.labelled_dimensions is None:
        raise StrategyError("greedy_y compares with the labelled clips' values: fill PoolView.labelled_dimensions")
    return pool.labelled_dimensions[np.isfinite(pool.labelled_dimensions).all(axis=1)]
