"""The steps a round is made of, the same for the simulation and for the service's jobs."""

import zlib

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies import random
from al_core.strategies.query import query
from al_core.strategies.specs import Strategy, StrategyError


def round_rng(seed: int, round_number: int, arm: str) -> Generator:
    """The generator of one arm in one round: independent of every other arm, round and seed, and replayable.

    Args:
        seed: the project's or the simulation's seed, at least 0.
        round_number: from 0, the seed set.
        arm: any name; the service uses "strategy" and "control".
    """
    return default_rng(SeedSequence([seed, round_number, zlib.crc32(arm.encode())]))


def pool_view(
    embeddings: Floats,
    probabilities: Floats | None,
    labelled_embeddings: Floats,
    labelled_classes: Ints,
    n_classes: int,
    durations_s: Floats,
) -> PoolView:
    """What the strategies of a round see: every column of the embeddings z-normalised over pool and labelled clips.

    Pooled hidden states have a few columns of very large variance that would decide every distance alone.

    Args:
        embeddings: (n, d) of the pool, float32 or float16, memory-mapped or not.
        probabilities: (n, c) float32, or None before any label exists; not seen where the scheme has no classes.
        labelled_embeddings: (m, d) of this arm's labelled clips.
        labelled_classes: (m,) int64, positions in the scheme.
        n_classes: c, the length of the scheme.
        durations_s: (n,) seconds.
    """
    n = len(embeddings)
    together = np.concatenate([embeddings, labelled_embeddings.reshape(-1, embeddings.shape[1])]).astype(np.float32)
    spread = together.std(axis=0)
    together = (together - together.mean(axis=0)) / np.where(spread > 0, spread, 1)
    seen = probabilities if n_classes else None
    return PoolView(together[:n], seen, together[n:], labelled_classes, n_classes, durations_s)


def acquire(strategy: Strategy, pool: PoolView, n: int, rng: Generator) -> Selection:
    """Choose the round's acquisition batch: min(n, len(pool)) positions, best first.

    Cold start: before a classifier exists (`pool.probabilities is None`) a strategy that reads probabilities chooses
    at random, so every strategy can begin; `core_set`, `typiclust` and `coverage_then_margin` begin by themselves.

    Raises:
        StrategyError: the strategy cannot run on this pool, or reads class probabilities of a scheme without classes;
            the sentence says why.
    """
    if strategy.needs_probabilities and pool.n_classes == 0:
        raise StrategyError(
            f"{strategy.kind} reads class probabilities and the scheme has dimensions alone: use coverage_then_margin, "
            "typiclust, core_set or random"
        )
    if pool.probabilities is None and strategy.needs_probabilities:
        return random.select(pool, n, rng)
    return query(strategy, pool, n, rng)
