"""Core-set: k-centre greedy, the clip furthest from everything labelled or chosen so far."""

import numpy as np
from numpy.random import Generator

from al_core.pool import Floats, PoolView, Selection
from al_core.strategies.inputs import finite_embeddings

_LABELLED_AT_ONCE = 64  # bounds the (n, block) distances held while the labelled clips are read


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions by argmax_i min_{j ∈ labelled ∪ chosen} ‖x_i − x_j‖, one after the other.

    A running minimum of ‖x‖² − 2x·y + ‖y‖² costs one read of the (n, d) float32 array for each pick. Without a labelled
    clip the first is the one nearest to the pool's mean (ours: the paper starts from a given set). The score is the
    distance a clip was chosen at; the first of a cold start has the largest distance found by the next, or 0.

    Reference: Sener & Savarese, *Active learning for convolutional neural networks: a core-set approach*, ICLR 2018,
    algorithm 1.

    Raises:
        StrategyError: an embedding is not finite.
    """
    embeddings, labelled = finite_embeddings(pool)
    shuffled = rng.permutation(len(pool))  # equals are taken in random order, not in pool order
    squares = np.einsum("nd,nd->n", embeddings, embeddings)  # (n,)
    nearest = _squares_to_labelled(embeddings, squares, labelled)
    positions, distances = np.empty(n, np.int64), np.empty(n, np.float32)
    for i in range(n):
        if i == 0 and len(labelled) == 0:
            pick = _most_central(embeddings, squares, shuffled)
        else:
            pick = int(shuffled[nearest[shuffled].argmax()])
        positions[i], distances[i] = pick, np.sqrt(max(nearest[pick], 0))
        np.minimum(nearest, squares - 2 * (embeddings @ embeddings[pick]) + squares[pick], out=nearest)
        nearest[positions[: i + 1]] = -np.inf  # never twice, also among copies of one clip
    if len(labelled) == 0 and n:
        distances[0] = distances[1] if n > 1 else 0
    return Selection(positions, distances)


def _squares_to_labelled(embeddings: Floats, squares: Floats, labelled: Floats) -> Floats:
    """(n,) squared distance of each clip to its nearest labelled one, infinite when there is none."""
    nearest = np.full(len(embeddings), np.inf, np.float32)
    for start in range(0, len(labelled), _LABELLED_AT_ONCE):
        block = labelled[start : start + _LABELLED_AT_ONCE]  # (b, d)
        reach = np.einsum("bd,bd->b", block, block) - 2 * embeddings @ block.T  # (n, b)
        np.minimum(nearest, squares + reach.min(axis=1), out=nearest)
    return nearest


def _most_central(embeddings: Floats, squares: Floats, shuffled: np.ndarray) -> int:
    """Position of the clip nearest to the mean of the pool."""
    to_mean = squares - 2 * (embeddings @ embeddings.mean(axis=0))
    return int(shuffled[to_mean[shuffled].argmin()])
