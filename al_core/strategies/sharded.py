"""Candidate reduction in shards: each part of a pool too large for one search hands up candidates for the batch."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from al_core.pool import Ints, PoolView, Selection

Ask = Callable[[PoolView, int, Generator], Selection]

_NOBODY: Ints = np.empty(0, np.int64)


def select(
    pool: PoolView,
    n: int,
    rng: Generator,
    ask: Ask,
    shard_rows: int = 1_000_000,
    candidates_per_pick: int = 1,
) -> Selection:
    """n positions the inner strategy chooses among candidates, `candidates_per_pick` · n of each shard of the pool.

    A pool of at most `shard_rows` is the inner strategy's alone. A larger one is cut by position into shards of equal
    size, give or take one clip; in each the inner strategy chooses candidates, best first, all of a shard that has
    fewer; and among all candidates, in the order of the pool, it chooses the batch. Labelled clips are seen by every
    shard. Scores and clusters are those of that last choice.

    Where a clip's value depends on no other clip of the pool (margin, entropy, least confidence, BALD, CTIAL, dropout's
    variance) the batch is the inner strategy's own on the whole pool, equals apart: whoever is among the n best is
    among the n best of his shard. Core-set's covering radius is at most four times the smallest possible one, twice the
    bound of the search over all clips: a shard's candidates leave none of its clips further away than two such radii,
    and the batch no candidate. `coverage_radius` measures what it is. Strategies that weigh density (TypiClust,
    ProbCover, k-means) see in the last choice the density of candidates, not of the pool.

    Reference: Ceccarello, Pietracaprina & Pucci, *Solving k-center clustering (with outliers) in MapReduce and
    streaming, almost as accurately as sequentially*, PVLDB 12 (7), 2019, for more candidates than picks.

    Raises:
        StrategyError: what the inner strategy raises; it names positions within the shard.
    """
    if len(pool) <= shard_rows:
        return ask(pool, n, rng)
    candidates = _candidates(pool, candidates_per_pick * n, rng, ask, shard_rows)
    chosen = ask(pool.part(candidates, _NOBODY), n, rng)
    return replace(chosen, positions=candidates[chosen.positions])


def _candidates(pool: PoolView, wanted: int, rng: Generator, ask: Ask, shard_rows: int) -> Ints:
    """Rising positions of at most `wanted` clips of each shard, each shard with a generator of its own."""
    shards = -(-len(pool) // shard_rows)
    ends = [len(pool) * shard // shards for shard in range(shards + 1)]
    # Seeded by a draw: `Generator.spawn` counts its calls outside the state, and the same state must choose the same.
    seeds = SeedSequence(rng.integers(2**32, size=4).tolist()).spawn(shards)
    found = []
    for begin, end, seed in zip(ends, ends[1:], seeds, strict=False):
        shard = pool.part(slice(begin, end), _NOBODY)
        found.append(begin + ask(shard, min(wanted, end - begin), default_rng(seed)).positions)
    return np.sort(np.concatenate(found))
