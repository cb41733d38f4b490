"""CTIAL: clips whose predicted class and predicted dimensions contradict each other."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.errors import StrategyError
from al_core.strategies.inputs import Doubles, predicted_dimensions, trained_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """The n clips of largest ‖ŷ_i − Σ_c p_ic m_c‖, where m_c is what the labelled clips of class c have in dimensions.

    Two tasks on the same clip: where the class says one arousal and the regression another, at least one is wrong. The
    paper takes m_c from affective norms of the class names and combines the distance with the doubt within a task; here
    m_c is the mean of the labelled clips of the class, on the unit scale, and where a class has none the mean of all
    (ours: a scheme's classes need not stand in any lexicon). The score is that distance.

    Reference: Xu, Jiang & Wu, *Cross-task inconsistency based active learning (CTIAL) for emotion recognition*, IEEE
    Transactions on Affective Computing 2024 (arXiv:2412.01171).

    Raises:
        StrategyError: classes or dimensions are not predicted, or no labelled clip has dimensions.
    """
    implied = trained_probabilities(pool) @ _class_means(pool)  # (n, k)
    return highest(np.linalg.norm(predicted_dimensions(pool) - implied, axis=1), n, rng)


def _class_means(pool: PoolView) -> Doubles:
    """(c, k) mean of the known values of each class's labelled clips, of all clips where a class has none."""
    values = pool.labelled_dimensions
    if values is None or not np.isfinite(values).any(axis=0).all():
        raise StrategyError("ctial compares classes with dimensions: label clips with both first")
    means = np.tile(np.nanmean(values, axis=0, dtype=np.float64), (pool.n_classes, 1))
    for c in range(pool.n_classes):
        own = values[pool.labelled_classes == c]
        for k in np.flatnonzero(np.isfinite(own).any(axis=0)):
            means[c, k] = np.nanmean(own[:, k])
    return means
