"""TypiClust: the most typical clip of each cluster nobody has labelled, for small budgets and the cold start."""

import numpy as np
from numpy.random import Generator
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies.inputs import finite_embeddings

MAX_CLUSTERS = 500
MIN_CLUSTER = 5  # smaller ones are outliers
_FULL_K_MEANS_UP_TO = 50  # clusters; beyond, minibatch k-means, as in the paper


def select(pool: PoolView, n: int, rng: Generator, neighbours: int = 20) -> Selection:
    """n positions: cluster pool and labelled clips into min(m + n, 500), then visit the clusters in turn.

    Clusters with fewest labelled clips come first, larger before smaller, those under 5 clips last; each visit takes
    the clip of highest typicality left in the cluster, 1 / mean distance to its K nearest neighbours *in its cluster*,
    with K = min(neighbours, size // 2). The score is that typicality.

    Reference: Hacohen, Dekel & Weinshall, *Active learning on a budget: opposite strategies suit high and low budgets*,
    ICML 2022, section 3 and appendix F.1.

    Raises:
        StrategyError: an embedding is not finite.
    """
    embeddings, labelled = finite_embeddings(pool)
    together = _unit(np.concatenate([embeddings, labelled]))  # (n + m, d), the pool first
    clusters = _cluster(together, min(len(labelled) + n, MAX_CLUSTERS, len(together)), rng)
    queues = [_typical_first(together, members, len(pool), neighbours) for members in _in_order(clusters, len(pool))]
    positions: list[int] = []
    typicalities: list[float] = []
    visit = 0
    while len(positions) < n:
        for own, typicality in queues:
            if visit < len(own) and len(positions) < n:
                positions.append(int(own[visit]))
                typicalities.append(float(typicality[visit]))
        visit += 1
    return Selection(np.array(positions, np.int64), np.array(typicalities, np.float32))


def _unit(rows: Floats) -> Floats:
    """Each row divided by its length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _cluster(together: Floats, k: int, rng: Generator) -> Ints:
    """(n + m,) cluster of each clip by k-means. One thread: sums over threads differ from run to run."""
    seed = int(rng.integers(2**31))
    method = KMeans if k <= _FULL_K_MEANS_UP_TO else MiniBatchKMeans
    with threadpool_limits(1):
        labels: Ints = method(k, n_init=1, random_state=seed).fit_predict(together).astype(np.int64)
    return labels


def _in_order(clusters: Ints, n_pool: int) -> list[Ints]:
    """Members of each cluster that has a pool clip, in the order the clusters are visited."""
    members = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]

    def visited_first(own: Ints) -> tuple[bool, int, int]:
        return len(own) < MIN_CLUSTER, int((own >= n_pool).sum()), -len(own)

    return sorted((own for own in members if own[0] < n_pool), key=visited_first)


def _typical_first(together: Floats, members: Ints, n_pool: int, neighbours: int) -> tuple[Ints, Floats]:
    """The pool clips of one cluster, most typical first, with their typicality."""
    if len(members) == 1:
        return members, np.zeros(1, np.float32)
    k = max(1, min(neighbours, len(members) // 2))
    with threadpool_limits(1):
        distances, _ = NearestNeighbors(n_neighbors=k).fit(together[members]).kneighbors()  # (size, k), without itself
    typicality = 1 / np.maximum(distances.mean(axis=1), 1e-12)
    order = np.argsort(-typicality, kind="stable")
    order = order[members[order] < n_pool]
    return members[order], typicality[order].astype(np.float32)
