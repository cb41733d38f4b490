"""Least confidence: the clips whose most likely class is least likely."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.inputs import trained_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """The n clips of largest 1 − max_k p_k.

    Reference: Lewis & Gale, *A sequential algorithm for training text classifiers*, SIGIR 1994.

    Raises:
        StrategyError: probabilities are missing or not finite.
    """
    return highest(1 - trained_probabilities(pool).max(axis=1), n, rng)
