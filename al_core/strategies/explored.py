"""Stratified exploration: a share of the batch goes where the inner strategy may never look."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from al_core.pool import Ints, PoolView, Selection
from al_core.strategies.clustering import cluster
from al_core.strategies.inputs import finite_rows
from al_core.strategies.rows import Rows

Ask = Callable[[PoolView, int, Generator], Selection]

_MOST_STRATA = 500


def select(pool: PoolView, n: int, rng: Generator, ask: Ask, share: float = 0.2) -> Selection:
    """n positions: the inner strategy's, then `share` · n at random over strata.

    Strata are as many k-means clusters of pool and labelled clips as clips are explored, at most 500. They are visited
    in order of their share of labelled or chosen clips, the least first, larger before smaller, and give one clip at
    random each. A clip of the inner strategy has its score, an explored one 0.

    Raises:
        StrategyError: an embedding is not finite, or what the inner strategy raises.
    """
    n_explored = round(share * n)
    inner = ask(pool, n - n_explored, rng)
    explored = _over_strata(pool, inner.positions, n_explored, rng)
    scores = np.concatenate([inner.scores, np.zeros(len(explored), np.float32)])
    return Selection(np.concatenate([inner.positions, explored]), scores)


def _over_strata(pool: PoolView, taken: Ints, n: int, rng: Generator) -> Ints:
    """n positions that are not taken, from as many strata as there are."""
    if n == 0:
        return np.empty(0, np.int64)
    own, labelled = finite_rows(pool)
    together = Rows((*own.parts, *labelled.parts), device=own.device)
    strata = cluster(together, min(n, _MOST_STRATA, len(together)), rng).of_row
    sizes = np.bincount(strata)
    known = np.bincount(np.append(strata[len(pool) :], strata[taken]), minlength=len(sizes))
    left = np.setdiff1d(np.arange(len(pool)), taken)
    order = rng.permutation(left)
    turn = np.empty(len(pool), np.int64)
    visited = np.zeros(len(sizes), np.int64)
    for position in order:
        turn[position] = visited[strata[position]]
        visited[strata[position]] += 1
    own_strata = strata[order]
    share_known = known / np.maximum(sizes, 1)
    ranked = np.lexsort((-sizes[own_strata], share_known[own_strata], turn[order]))
    explored: Ints = order[ranked][:n]
    return explored
