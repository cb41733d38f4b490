"""Cluster-margin: the smallest margins, one cluster of look-alikes after the other."""

import numpy as np
from numpy.random import Generator
from sklearn.cluster import AgglomerativeClustering

from al_core.pool import Ints, PoolView, Selection
from al_core.strategies import margin
from al_core.strategies.inputs import finite_rows

_MOST_CLUSTERED = 10_000  # clips, whose distances to each other take 400 MB


def select(pool: PoolView, n: int, rng: Generator, candidates_per_pick: int = 10) -> Selection:
    """n positions: cluster the clips of smallest margin, then take one of each cluster in turn, small clusters first.

    The candidates are the `candidates_per_pick` · n clips of smallest margin, at most 10,000 unless n is more; average
    linkage joins them into n clusters; a cluster's clip is drawn at random, as in the paper. There the whole pool is
    clustered once for all rounds; clustering the candidates (ours) costs what a round can afford, and needs no state
    between rounds. The score is 1 − margin.

    Reference: Citovsky et al., *Batch active learning at scale*, NeurIPS 2021, algorithm 1.

    Raises:
        StrategyError: probabilities are missing, or a value is not finite.
    """
    wanted = min(candidates_per_pick * n, max(_MOST_CLUSTERED, n), len(pool))
    candidates = margin.select(pool, wanted, rng)
    embeddings, _ = finite_rows(pool)
    if len(candidates.positions) == n:
        return candidates
    rows = embeddings.take(candidates.positions)
    clusters: Ints = AgglomerativeClustering(n, linkage="average").fit_predict(rows).astype(np.int64)
    ranks = _in_turn(clusters, rng)[:n]
    return Selection(candidates.positions[ranks], candidates.scores[ranks], clusters[ranks])


def _in_turn(clusters: Ints, rng: Generator) -> Ints:
    """Every rank, one of each cluster in turn, the smallest cluster first, in random order within a cluster."""
    sizes = np.bincount(clusters)
    order = rng.permutation(len(clusters))
    turn = np.empty(len(clusters), np.int64)
    visited = np.zeros(len(sizes), np.int64)
    for rank in order:
        turn[rank] = visited[clusters[rank]]
        visited[clusters[rank]] += 1
    return np.lexsort((clusters, sizes[clusters], turn))
