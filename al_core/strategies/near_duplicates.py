"""Groups of near-duplicates: recordings of one moment, cut or encoded twice, lie almost on each other."""

import numpy as np
from numpy.random import Generator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from al_core.pool import Ints
from al_core.strategies.clustering import cluster
from al_core.strategies.rows import Rows

COSINE = 0.99
_CELL = 1000  # clips compared pair by pair, on average
_MOST_CELLS = 500


def near_duplicate_groups(own: Rows, rng: Generator, cosine: float = COSINE) -> Ints:
    """(n,) codes, equal for clips joined by a chain of pairs whose embeddings have at least this cosine.

    Embeddings are z-normalised, so 0.99 is far above what two takes by one speaker have. Pools above 2,000 clips are
    parted by k-means first and pairs compared within a part: what lies on each other lies in one part, but for pairs
    on a border.

    Args:
        own: rows of length 1, finite.
        rng: for k-means.
        cosine: above −1, at most 1.
    """
    cells = np.zeros(len(own), np.int64)
    if len(own) > 2 * _CELL:
        cells = cluster(own, min(len(own) // _CELL, _MOST_CELLS), rng).of_row
    order = np.argsort(cells, kind="stable")
    firsts, seconds = [], []
    for members in np.split(order, np.flatnonzero(np.diff(cells[order])) + 1):
        rows = own.take(members)
        a, b = np.nonzero(np.triu(rows @ rows.T >= cosine, k=1))
        firsts.append(members[a])
        seconds.append(members[b])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    pairs = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(len(own), len(own)))
    _, groups = connected_components(pairs, directed=False)
    codes: Ints = groups.astype(np.int64)
    return codes
