"""k-means over rows that may be too many to copy, and the most central clip of each cluster."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from al_core.pool import Floats, Ints, Selection
from al_core.strategies.rows import Rows

_FULL_K_MEANS_UP_TO = 50  # clusters; beyond, minibatch k-means, as TypiClust's paper does
_ROWS_TO_FIT = 20_000  # more are clustered by centres fitted on this many
_ROWS_A_CLUSTER = 200  # or on this many a cluster, if that is more


class Clusters(NamedTuple):
    """Which cluster each row is in, and how far from its centre."""

    of_row: Ints  # (n,)
    squares: Floats  # (n,) squared distance to the centre


def cluster(rows: Rows, k: int, rng: Generator, most: int | None = None) -> Clusters:
    """k clusters by k-means; copies may leave some without a row.

    Above `most` rows, 20,000 or 200 a cluster unless given, the centres are fitted on so many rows drawn at random, and
    the others go to the nearest centre: a cluster of a million rows shows in a tenth of them.

    Fitted on one thread: sums over threads differ from run to run, and a receipt must replay.
    """
    seed = int(rng.integers(2**31))
    method = KMeans if k <= _FULL_K_MEANS_UP_TO else MiniBatchKMeans
    most = most or max(_ROWS_TO_FIT, _ROWS_A_CLUSTER * k)
    sample = np.arange(len(rows)) if len(rows) <= most else np.sort(rng.choice(len(rows), most, replace=False))
    with threadpool_limits(1):
        fitted = method(k, n_init=1, random_state=seed).fit(rows.take(sample))
    squares, of_row = rows.nearest(fitted.cluster_centers_.astype(np.float32))
    return Clusters(of_row, squares)


def most_central(rows: Rows, n: int, rng: Generator) -> Selection:
    """The row nearest to the centre of each of n clusters, large clusters first.

    Where copies leave clusters empty, the next nearest of the others fill up. The score is 1 / (1 + distance to the
    centre).

    Args:
        rows: of the candidates.
        n: at least 1, at most len(rows).
        rng: for k-means.
    """
    clusters = cluster(rows, n, rng)
    order = np.lexsort((clusters.squares, clusters.of_row))  # by cluster, the nearest first
    turn = _turns(clusters.of_row[order])
    sizes = np.bincount(clusters.of_row, minlength=n)
    chosen = order[np.lexsort((clusters.squares[order], -sizes[clusters.of_row[order]], turn))][:n]
    scores = 1 / (1 + np.sqrt(clusters.squares[chosen]))
    return Selection(chosen.astype(np.int64), scores.astype(np.float32), clusters.of_row[chosen])


def _turns(sorted_clusters: Ints) -> Ints:
    """0, 1, 2 … within each run of equal numbers."""
    starts = np.r_[0, np.flatnonzero(np.diff(sorted_clusters)) + 1]
    lengths = np.diff(np.r_[starts, len(sorted_clusters)])
    turns: Ints = np.arange(len(sorted_clusters)) - np.repeat(starts, lengths)
    return turns
