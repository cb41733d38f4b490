"""BADGE: k-means++ over the gradients the last layer would get if its own guess were the label."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from al_core.pool import PoolView, Selection
from al_core.strategies.inputs import finite_embeddings, trained_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions drawn by k-means++ from the gradient embeddings g_i = a_i ⊗ h_i, a_i = p_i − onehot(argmax p_i).

    The first is the clip of largest ‖g‖, as in the authors' code; each next one is drawn with probability proportional
    to its squared distance to the nearest chosen. g is never built, because both factors give the distance:
    ‖g_i − g_j‖² = ‖a_i‖²‖h_i‖² + ‖a_j‖²‖h_j‖² − 2 (a_i·a_j)(h_i·h_j), O(n (c + d)) a pick instead of O(n c d).
    The score is the squared distance a clip was drawn at; of the first, ‖g‖².

    Reference: Ash et al., *Deep batch active learning by diverse, uncertain gradient lower bounds*, ICLR 2020.

    Raises:
        StrategyError: probabilities are missing, or a value is not finite.
    """
    h, _ = finite_embeddings(pool)  # (n, d)
    a = trained_probabilities(pool)  # (n, c)
    a[np.arange(len(a)), a.argmax(axis=1)] -= 1
    squares = np.einsum("nc,nc->n", a, a) * np.einsum("nd,nd->n", h, h)  # (n,) ‖g_i‖²
    nearest = squares.copy()
    left = np.ones(len(pool), bool)
    positions, scores = np.empty(n, np.int64), np.empty(n, np.float32)
    for i in range(n):
        pick = int(nearest.argmax()) if i == 0 else _draw(nearest, left, rng)
        positions[i], scores[i] = pick, nearest[pick]
        to_pick = squares + squares[pick] - 2 * (a @ a[pick]) * (h @ h[pick])  # (n,)
        nearest = np.maximum(to_pick if i == 0 else np.minimum(nearest, to_pick), 0)
        left[pick] = False
        nearest[~left] = 0
    return Selection(positions, scores)


def _draw(weights: NDArray[np.float64], left: NDArray[np.bool_], rng: Generator) -> int:
    """One position with probability proportional to its weight; uniform over what is left when all weights are 0."""
    cumulative = np.cumsum(weights if weights.any() else left.astype(np.float64))
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
