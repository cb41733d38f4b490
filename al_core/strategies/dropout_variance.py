"""Variance over dropout passes: clips whose dimensions the classifier cannot place."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.inputs import dropout_dimensions


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """The n clips of largest Σ_k Var_w ŷ_k, the population variance over S dropout passes w, summed over dimensions.

    Values are on the unit scale of each dimension, so none weighs more for having a longer scale.

    Reference: Gal & Ghahramani, *Dropout as a Bayesian approximation*, ICML 2016, for the variance; Tsymbalov, Panov &
    Shapeev, *Dropout-based active learning for regression*, AIST 2018, for its use.

    Raises:
        StrategyError: no dimensions are predicted, there are no dropout passes, or one is not finite.
    """
    return highest(dropout_dimensions(pool).var(axis=1).sum(axis=1), n, rng)
