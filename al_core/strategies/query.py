"""Choose a strategy by its description and ask it for positions."""

from functools import partial
from typing import assert_never

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies import (
    alps,
    badge,
    bald,
    batch_bald,
    cluster_margin,
    constrained,
    core_set,
    cost_aware,
    coverage_then_margin,
    ctial,
    drop_query,
    dropout_variance,
    duration_quotas,
    entropy,
    explored,
    greedy_x,
    greedy_y,
    k_means,
    least_confidence,
    margin,
    modal,
    power_bald,
    prob_cover,
    random,
    random_share,
    ranked_batch,
    sharded,
    typiclust,
)
from al_core.strategies.specs import (
    Alps,
    Badge,
    Bald,
    BatchBald,
    ClusterMargin,
    Constrained,
    CoreSet,
    CostAware,
    CoverageThenMargin,
    Ctial,
    DropoutVariance,
    DropQuery,
    DurationQuotas,
    Entropy,
    Explored,
    GreedyX,
    GreedyY,
    KMeans,
    LeastConfidence,
    Margin,
    Modal,
    PowerBald,
    ProbCover,
    Random,
    RandomShare,
    RankedBatch,
    Sharded,
    Strategy,
    StrategyError,
    TypiClust,
)


def query(strategy: Strategy, pool: PoolView, n: int, rng: Generator) -> Selection:
    """min(n, len(pool)) different positions of the pool, best first, each with its score.

    Only `Constrained` may choose fewer: where its limits leave nothing to take.

    Args:
        strategy: which, with its parameters.
        pool: what may be seen.
        n: size of the acquisition batch, at least 0; more than the pool holds takes the whole pool.
        rng: the only source of randomness: the same state gives the same selection.

    Raises:
        StrategyError: n is negative, what the strategy reads is missing or not finite, or a modAL callable fails.
    """
    if n < 0:
        raise StrategyError(f"cannot choose {n} clips: ask for 0 or more")
    n = min(n, len(pool))
    if n == 0:
        return Selection(np.empty(0, np.int64), np.empty(0, np.float32))
    match strategy:
        case Random():
            return random.select(pool, n, rng)
        case Entropy():
            return entropy.select(pool, n, rng)
        case LeastConfidence():
            return least_confidence.select(pool, n, rng)
        case Margin():
            return margin.select(pool, n, rng)
        case CoreSet():
            return core_set.select(pool, n, rng)
        case KMeans():
            return k_means.select(pool, n, rng)
        case Badge():
            return badge.select(pool, n, rng)
        case TypiClust(neighbours=neighbours):
            return typiclust.select(pool, n, rng, neighbours)
        case ProbCover(radius=radius, purity=purity):
            return prob_cover.select(pool, n, rng, radius, purity)
        case ClusterMargin(candidates_per_pick=per_pick):
            return cluster_margin.select(pool, n, rng, per_pick)
        case CoverageThenMargin(coverage_per_class=per_class, candidates_per_pick=per_pick):
            return coverage_then_margin.select(pool, n, rng, per_class, per_pick)
        case RankedBatch():
            return ranked_batch.select(pool, n, rng)
        case Bald():
            return bald.select(pool, n, rng)
        case BatchBald():
            return batch_bald.select(pool, n, rng)
        case PowerBald(power=power):
            return power_bald.select(pool, n, rng, power)
        case DropQuery():
            return drop_query.select(pool, n, rng)
        case Alps():
            return alps.select(pool, n, rng)
        case Ctial():
            return ctial.select(pool, n, rng)
        case DropoutVariance():
            return dropout_variance.select(pool, n, rng)
        case GreedyX():
            return greedy_x.select(pool, n, rng)
        case GreedyY():
            return greedy_y.select(pool, n, rng)
        case Modal(path=path):
            return modal.select(pool, n, rng, path)
        case Constrained(inner=inner, limits=limits, takes=takes):
            return constrained.select(pool, n, rng, partial(query, inner), limits, takes == "spread")
        case DurationQuotas(inner=inner, bounds_s=bounds_s, shares=shares):
            return duration_quotas.select(pool, n, rng, partial(query, inner), bounds_s, shares)
        case CostAware(inner=inner, overhead_s=overhead_s, candidates_per_pick=per_pick):
            return cost_aware.select(pool, n, rng, partial(query, inner), overhead_s, per_pick)
        case Explored(inner=inner, share=share):
            return explored.select(pool, n, rng, partial(query, inner), share)
        case RandomShare(inner=inner, share=share):
            return random_share.select(pool, n, rng, partial(query, inner), share)
        case Sharded(inner=inner, shard_rows=shard_rows, candidates_per_pick=per_pick):
            return sharded.select(pool, n, rng, partial(query, inner), shard_rows, per_pick)
        case _:
            assert_never(strategy)
