"""Ranked batch: uncertain clips unlike the labelled and the chosen ones, weighted by how much is labelled."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies.inputs import finite_rows, trained_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions by α (1 − s) + (1 − α) u, one after the other, modAL's definition with its picks.

    u = 1 − max_k p_k; s = 1 / (1 + distance to the nearest of the labelled and the chosen clips); α = |U| / (|U| + |D|)
    with |U| clips left and |D| labelled or chosen. A running minimum of the distances costs one read of the pool a
    pick, where modAL computes all |U| × |D| anew. Without a labelled clip the first is the one nearest to the pool's
    mean, where modAL takes the least mean distance to all others, for which it holds n × n distances. Equals are taken
    in random order, by modAL in pool order. The score is the sum.

    Reference: Cardoso et al., *Ranked batch-mode active learning*, Information Sciences 2017; Danka & Horvath, *modAL*,
    arXiv:1805.00979.

    Raises:
        StrategyError: probabilities are missing, or a value is not finite.
    """
    u = 1 - trained_probabilities(pool).max(axis=1)  # (n,)
    own, labelled = finite_rows(pool)
    shuffled = rng.permutation(len(pool))
    positions, scores = np.empty(n, np.int64), np.empty(n, np.float32)
    centres = labelled.take(np.arange(len(labelled))) if len(labelled) else own.mean()[None]
    nearest, _ = own.nearest(centres)
    lengths = own.lengths()
    left = np.ones(len(pool), bool)
    for i in range(n):
        n_left, n_known = len(pool) - i, len(labelled) + i
        alpha = n_left / (n_left + n_known)
        unlike = 1 - 1 / (1 + np.sqrt(nearest))
        value = alpha * unlike + (1 - alpha) * u if n_known else -unlike
        value[~left] = -np.inf
        pick = int(shuffled[value[shuffled].argmax()])
        positions[i], scores[i] = pick, value[pick]
        reach = own.squares_to(own.take(np.array([pick]))[0], lengths)
        nearest = reach if n_known == 0 else np.minimum(nearest, reach)
        left[pick] = False
    return Selection(positions, scores)
