"""BADGE: k-means++ over the gradients the last layer would get if its own guess were the label."""

import numpy as np
from numpy.random import Generator

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies.inputs import finite_rows, trained_probabilities
from al_core.strategies.rows import Rows
from al_core.strategies.squares_draw import squares_draw


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions drawn by k-means++ from the gradient embeddings g_i = a_i ⊗ h_i, a_i = p_i − onehot(argmax p_i).

    The first is the clip of largest ‖g‖, as in the authors' code; each next one is drawn with probability proportional
    to its squared distance to the nearest chosen. g is never built, because both factors give the distance:
    ‖g_i − g_j‖² = ‖a_i‖²‖h_i‖² + ‖a_j‖²‖h_j‖² − 2 (a_i·a_j)(h_i·h_j), O(c + d) instead of O(c d); and the pool is read
    twice, not once a pick (`squares_draw`). The score is the squared distance a clip was drawn at; of the first, ‖g‖².

    Reference: Ash et al., *Deep batch active learning by diverse, uncertain gradient lower bounds*, ICLR 2020.

    Raises:
        StrategyError: probabilities are missing, or a value is not finite.
    """
    a = trained_probabilities(pool)  # (n, c)
    h, _ = finite_rows(pool)  # (n, d)
    a[np.arange(len(a)), a.argmax(axis=1)] -= 1
    a_squares = np.einsum("nc,nc->n", a, a)
    h_squares = h.lengths()

    def since(positions: Ints, chosen: Ints) -> Floats:
        """Least ‖g_i − g_j‖² of each position i over the chosen j."""
        centres = h.take(chosen)  # (k, d)
        everything = len(positions) == len(h)
        part = h if everything else Rows((h.take(positions),), device=h.device)
        squares = a_squares[positions] * h_squares[positions]
        least = np.empty(len(positions))
        for where, products in part.products(centres):  # (b, k) of h_i · h_j
            rows = positions[where]
            reach = (
                squares[where, None] + a_squares[chosen] * h_squares[chosen] - 2 * (a[rows] @ a[chosen].T) * products
            )
            least[where] = reach.min(axis=1)
        return np.maximum(least, 0).astype(np.float32)

    return squares_draw((a_squares * h_squares).astype(np.float32), since, n, rng)
