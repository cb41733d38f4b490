"""ProbCover: balls around as few clips as can hold most of the pool, for small budgets and the cold start."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.sparse import csr_array

from al_core.pool import Floats, PoolView, Selection
from al_core.strategies.clustering import cluster
from al_core.strategies.inputs import finite_rows
from al_core.strategies.rows import Rows

_MOST_COMPARED = 10_000  # clips compared pair by pair: 0.5 GB where every ball holds every clip
_BLOCK = 1024
_RADII = np.arange(0.05, 1.45, 0.05)  # between unit-length rows; √2 is a right angle


def select(pool: PoolView, n: int, rng: Generator, radius: float | None = None, purity: float = 0.95) -> Selection:
    """n positions: each time the clip within whose radius lie most clips that are in no labelled or chosen clip's.

    Embeddings are scaled to length 1. Without a radius the largest of 0.05, 0.10 … 1.40 is taken at which the balls of
    at least `purity` of the clips hold one cluster only, of k-means with a cluster a class, as in the paper. When
    everything is covered, what is left is taken in random order. Of a pool above 10,000 clips so many drawn at random
    are covered and chosen from, and of the labelled clips the same (ours). The score is how many a pick covers anew.

    Reference: Yehuda et al., *Active learning through a covering lens*, NeurIPS 2022, algorithm 1 and section 3.3.

    Raises:
        StrategyError: an embedding is not finite.
    """
    own, labelled = finite_rows(pool, unit=True)
    drawn = _drawn(len(own), max(n, _MOST_COMPARED), rng)
    rows = own.take(drawn)
    known = labelled.take(_drawn(len(labelled), _MOST_COMPARED, rng))
    if radius is None:
        radius = _pure_radius(rows, max(pool.n_classes, 2), purity, rng)
    near = _within(rows, rows, radius)  # (n', n')
    covered = np.asarray(_within(rows, known, radius).sum(axis=1)).ravel() > 0
    shuffled = rng.permutation(len(rows))
    gains = near @ (~covered).astype(np.int64)
    chosen, scores = [], []
    for _ in range(n):
        pick = int(shuffled[gains[shuffled].argmax()])
        chosen.append(pick)
        scores.append(gains[pick])
        anew = near.indices[near.indptr[pick] : near.indptr[pick + 1]]
        anew = anew[~covered[anew]]
        covered[anew] = True
        for clip in anew:
            gains[near.indices[near.indptr[clip] : near.indptr[clip + 1]]] -= 1
        gains[pick] = -len(rows)
    return Selection(drawn[chosen], np.array(scores, np.float32))


def _drawn(n: int, most: int, rng: Generator) -> NDArray[np.int64]:
    """Positions 0 … n − 1, or `most` of them at random, in order."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _within(rows: Floats, others: Floats, radius: float) -> csr_array:
    """(n, m) sparse, 1 where a row lies within the radius of another; all of length 1, or 0."""
    where, ends = [], [0]
    for start in range(0, len(rows), _BLOCK):
        squares = _squared_distances(rows[start : start + _BLOCK], others)
        inside = squares <= radius**2 + 1e-6  # a clip is in its own ball, whatever rounding says
        where.append(np.nonzero(inside)[1].astype(np.int32))
        ends.extend(ends[-1] + np.cumsum(inside.sum(axis=1)))
    columns = np.concatenate(where) if where else np.empty(0, np.int32)
    return csr_array((np.ones(len(columns), np.int8), columns, np.array(ends)), shape=(len(rows), len(others)))


def _squared_distances(rows: Floats, others: Floats) -> Floats:
    own, their = np.einsum("nd,nd->n", rows, rows), np.einsum("nd,nd->n", others, others)
    squares: Floats = np.maximum(own[:, None] + their - 2 * (rows @ others.T), 0)
    return squares


def _pure_radius(rows: Floats, n_classes: int, purity: float, rng: Generator) -> float:
    """The largest radius at which enough balls are of one cluster; the smallest when none is."""
    clusters = cluster(Rows((rows,)), min(n_classes, len(rows)), rng).of_row
    nearest_other = np.full(len(rows), np.inf)  # squared distance to the nearest clip of another cluster
    for start in range(0, len(rows), _BLOCK):
        squares = _squared_distances(rows[start : start + _BLOCK], rows)
        same = clusters[start : start + _BLOCK, None] == clusters
        nearest_other[start : start + _BLOCK] = np.where(same, np.inf, squares).min(axis=1)
    pure = [radius for radius in _RADII if (nearest_other > radius**2 + 1e-6).mean() >= purity]
    return float(max(pure, default=_RADII[0]))
