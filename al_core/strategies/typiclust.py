"""TypiClust: the most typical clip of each cluster nobody has labelled, for small budgets and the cold start."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies.clustering import cluster
from al_core.strategies.inputs import finite_rows
from al_core.strategies.rows import Rows

MAX_CLUSTERS = 500
MIN_CLUSTER = 5  # smaller ones are outliers
MOST_COMPARED = 1024  # clips of one cluster; of a larger one, so many drawn at random


def select(pool: PoolView, n: int, rng: Generator, neighbours: int = 20) -> Selection:
    """n positions: cluster pool and labelled clips into min(m + n, 500), then visit the clusters in turn.

    Clusters with fewest labelled clips come first, larger before smaller, those under 5 clips last; each visit takes
    the clip of highest typicality left in the cluster, 1 / mean distance to its K nearest neighbours *in its cluster*,
    with K = min(neighbours, size // 2). The score is that typicality. In a cluster of more than 1,024 clips so many
    drawn at random are compared with each other and chosen from, so the cost grows with the pool and not its square
    (ours).

    Reference: Hacohen, Dekel & Weinshall, *Active learning on a budget: opposite strategies suit high and low budgets*,
    ICML 2022, section 3 and appendix F.1.

    Raises:
        StrategyError: an embedding is not finite.
    """
    own, labelled = finite_rows(pool, unit=True)
    together = Rows((*own.parts, *labelled.parts), True, own.device)  # (n + m, d), the pool first
    clusters = cluster(together, min(len(labelled) + n, MAX_CLUSTERS, len(together)), rng).of_row
    positions: list[int] = []
    typicalities: list[float] = []
    for position, typicality in _visits(together, _in_order(clusters, len(pool)), len(pool), neighbours, rng):
        positions.append(position)
        typicalities.append(typicality)
        if len(positions) == n:
            break
    chosen = np.array(positions, np.int64)
    return Selection(chosen, np.array(typicalities, np.float32), clusters[chosen])


def _in_order(clusters: Ints, n_pool: int) -> list[Ints]:
    """Members of each cluster that has a pool clip, in the order the clusters are visited."""
    order = np.argsort(clusters, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)

    def visited_first(own: Ints) -> tuple[bool, int, int]:
        return len(own) < MIN_CLUSTER, int((own >= n_pool).sum()), -len(own)

    return sorted((own for own in members if own[0] < n_pool), key=visited_first)


def _visits(
    together: Rows, clusters: list[Ints], n_pool: int, neighbours: int, rng: Generator
) -> Iterator[tuple[int, float]]:
    """Every clip of the pool with its typicality, in the order of the visits; a cluster is looked at when its turn is.

    Clips of a large cluster that were not drawn come last, with typicality 0.
    """
    queues: list[tuple[Ints, Floats]] = []
    rest: list[Ints] = []
    visit = 0
    while visit == 0 or any(visit < len(queue) for queue, _ in queues):
        for turn, members in enumerate(clusters):
            if visit == 0:
                drawn = _drawn(members, rng)
                rest.append(np.setdiff1d(members[members < n_pool], drawn))
                queues.append(_typical_first(together, drawn, n_pool, neighbours))
            queue, typicality = queues[turn]
            if visit < len(queue):
                yield int(queue[visit]), float(typicality[visit])
        visit += 1
    for members in rest:
        yield from ((int(position), 0.0) for position in members)


def _drawn(members: Ints, rng: Generator) -> Ints:
    """The clips of a cluster that are compared, in order of position."""
    return members if len(members) <= MOST_COMPARED else np.sort(rng.choice(members, MOST_COMPARED, replace=False))


def _typical_first(together: Rows, members: Ints, n_pool: int, neighbours: int) -> tuple[Ints, Floats]:
    """The pool clips among the members of one cluster, most typical first, with their typicality."""
    if len(members) == 1:
        return members[members < n_pool], np.zeros(1, np.float32)
    k = max(1, min(neighbours, len(members) // 2))
    with threadpool_limits(1):
        nearest = NearestNeighbors(n_neighbors=k).fit(together.take(members))
        distances, _ = nearest.kneighbors()  # (size, k), without itself
    typicality = 1 / np.maximum(distances.mean(axis=1), 1e-12)
    order = np.argsort(-typicality, kind="stable")
    order = order[members[order] < n_pool]
    return members[order], typicality[order].astype(np.float32)
