"""Margin sampling: the clips torn between their two most likely classes."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.inputs import trained_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """The n clips of smallest margin p₍₁₎ − p₍₂₎ between the largest and the second largest probability.

    The score is 1 − margin, in [0, 1].

    Reference: Scheffer, Decomain & Wrobel, *Active hidden Markov models for information extraction*, IDA 2001.

    Raises:
        StrategyError: probabilities are missing or not finite.
    """
    two = np.partition(trained_probabilities(pool), -2, axis=1)[:, -2:]  # (n, 2), second largest and largest
    return highest(1 - (two[:, 1] - two[:, 0]), n, rng)
