"""Each strategy against a second, literal implementation of its definition, on pools of 450 clips."""

import math

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from skactiveml.pool import uncertainty_scores
from skactiveml.pool._core_set import k_greedy_center
from sklearn.cluster import KMeans
from small_text.query_strategies import greedy_coreset

from al_core.pool import PoolView
from al_core.strategies.query import query
from al_core.strategies.specs import (
    Badge,
    CoreSet,
    CoverageThenMargin,
    Entropy,
    LeastConfidence,
    Margin,
    Random,
    Strategy,
    TypiClust,
)

SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def a_pool(seed: int, n: int = 450, m: int = 20, c: int = 7, d: int = 12) -> PoolView:
    rng = default_rng(seed)
    together = (rng.normal(size=(9, d))[rng.integers(9, size=n + m)] * 2 + rng.normal(size=(n + m, d))).astype(
        np.float32
    )
    probabilities = rng.dirichlet(np.full(c, 0.5), size=n).astype(np.float32)
    return PoolView(together[:n], probabilities, together[n:], rng.integers(c, size=m), c, np.ones(n, np.float32))


def literal_uncertainty(strategy: Strategy, p: list[float]) -> float:
    ordered = sorted(p, reverse=True)
    match strategy:
        case Entropy():
            return -sum(value * math.log(value) for value in p if value > 0)
        case LeastConfidence():
            return 1 - ordered[0]
        case _:
            return 1 - (ordered[0] - ordered[1])


def literal_core_set(pool: PoolView, n: int) -> list[int]:
    centres = list(pool.labelled_embeddings.astype(np.float64))
    chosen: list[int] = []
    for _ in range(n):
        best, furthest = -1, -1.0
        for i, x in enumerate(pool.embeddings.astype(np.float64)):
            if i not in chosen and (reach := min(math.dist(x, centre) for centre in centres)) > furthest:
                best, furthest = i, reach
        chosen.append(best)
        centres.append(pool.embeddings[best].astype(np.float64))
    return chosen


def literal_badge(pool: PoolView, n: int, rng: Generator) -> list[int]:
    assert pool.probabilities is not None
    gradients = []
    for p, h in zip(pool.probabilities.astype(np.float64), pool.embeddings.astype(np.float64), strict=True):
        guess = np.zeros(pool.n_classes)
        guess[p.argmax()] = 1
        gradients.append(np.outer(p - guess, h).ravel())
    g = np.array(gradients)
    chosen = [int((g**2).sum(axis=1).argmax())]
    bounds = ((g - g[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < n:
        nearest = np.min([((g - g[centre]) ** 2).sum(axis=1) for centre in chosen], axis=0)
        cumulative = np.cumsum(bounds)
        proposed = int((cumulative <= rng.random() * cumulative[-1]).sum())
        if rng.random() * bounds[proposed] < nearest[proposed]:
            chosen.append(proposed)
            bounds[proposed] = 0
        else:
            bounds[proposed] = nearest[proposed]
    return chosen


def literal_typiclust(pool: PoolView, n: int, rng: Generator, neighbours: int = 20) -> list[int]:
    together = np.concatenate([pool.embeddings, pool.labelled_embeddings])
    together = np.array([x / np.linalg.norm(x) for x in together])
    k_means = KMeans(n + len(pool.labelled_embeddings), n_init=1, random_state=int(rng.integers(2**31)))
    clusters = k_means.fit_predict(together)
    visits = []
    for cluster in range(clusters.max() + 1):
        members = [i for i in range(len(together)) if clusters[i] == cluster]
        labelled = sum(i >= len(pool) for i in members)
        visits.append((len(members) < 5, labelled, -len(members), cluster, members))
    chosen: list[int] = []
    for _, _, _, _, members in sorted(visits):
        typicality = {}
        k = max(1, min(neighbours, len(members) // 2))
        for i in members:
            reaches = sorted(math.dist(together[i], together[j]) for j in members if j != i)
            typicality[i] = 1 / (sum(reaches[:k]) / k) if reaches else 0.0
        own = [i for i in members if i < len(pool)]
        if own and len(chosen) < n:
            chosen.append(max(own, key=lambda i: typicality[i]))
    return chosen


@SEEDS
@pytest.mark.parametrize("strategy", [Entropy(), LeastConfidence(), Margin()], ids=str)
def test_an_uncertainty_strategy_is_the_head_of_a_full_sort(strategy: Strategy, seed: int) -> None:
    pool = a_pool(seed)
    assert pool.probabilities is not None
    uncertainty = [literal_uncertainty(strategy, p) for p in pool.probabilities.astype(float).tolist()]
    expected = sorted(range(len(pool)), key=lambda i: -uncertainty[i])[:60]
    chosen = query(strategy, pool, 60, default_rng(0))
    assert chosen.positions.tolist() == expected
    np.testing.assert_allclose(chosen.scores, [uncertainty[i] for i in expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "method"),
    [(Entropy(), "entropy"), (LeastConfidence(), "least_confident"), (Margin(), "margin_sampling")],
)
def test_an_uncertainty_strategy_agrees_with_scikit_activeml(strategy: Strategy, method: str) -> None:
    pool = a_pool(4)
    assert pool.probabilities is not None
    theirs = uncertainty_scores(pool.probabilities.astype(float), method=method)
    chosen = query(strategy, pool, 60, default_rng(0))
    np.testing.assert_array_equal(chosen.positions, np.argsort(-theirs, kind="stable")[:60])


@SEEDS
def test_core_set_is_the_quadratic_search(seed: int) -> None:
    pool = a_pool(seed, m=5)
    assert query(CoreSet(), pool, 12, default_rng(0)).positions.tolist() == literal_core_set(pool, 12)


def test_core_set_agrees_with_scikit_activeml() -> None:
    pool = a_pool(4)
    together = np.concatenate([pool.embeddings, pool.labelled_embeddings])
    y = np.concatenate([np.full(len(pool), np.nan), pool.labelled_classes])
    theirs, _ = k_greedy_center(together, y, batch_size=40, random_state=0)
    np.testing.assert_array_equal(query(CoreSet(), pool, 40, default_rng(0)).positions, theirs)


@SEEDS
def test_core_set_agrees_with_small_text(seed: int) -> None:
    pool = a_pool(seed)
    together = np.concatenate([pool.embeddings, pool.labelled_embeddings])
    own, known = np.split(np.arange(len(together)), [len(pool)])
    theirs = greedy_coreset(together, own, known, 40, distance_metric="euclidean")
    np.testing.assert_array_equal(query(CoreSet(), pool, 40, default_rng(0)).positions, theirs)


def test_core_set_without_labels_begins_at_the_clip_nearest_the_mean() -> None:
    pool = a_pool(0, m=0)
    first = query(CoreSet(), pool, 3, default_rng(0)).positions[0]
    to_mean = np.linalg.norm(pool.embeddings - pool.embeddings.mean(axis=0), axis=1)
    assert first == to_mean.argmin()


@SEEDS
def test_badge_is_k_means_plus_plus_over_the_materialised_gradients(seed: int) -> None:
    pool = a_pool(seed)
    chosen = query(Badge(), pool, 40, default_rng(seed)).positions.tolist()
    assert chosen == literal_badge(pool, 40, default_rng(seed))


@SEEDS
def test_typiclust_is_the_paper_step_by_step(seed: int) -> None:
    pool = a_pool(seed, m=6)
    chosen = query(TypiClust(), pool, 14, default_rng(seed)).positions.tolist()
    assert chosen == literal_typiclust(pool, 14, default_rng(seed))


def test_typiclust_visits_every_cluster_without_a_label_before_any_with_one() -> None:
    """Eight far-apart clusters, three labelled: five clips come from the other five."""
    rng = default_rng(0)
    centres = np.eye(8, dtype=np.float32) * 100
    own = np.repeat(np.arange(8), 60)
    embeddings = centres[own] + rng.normal(size=(480, 8)).astype(np.float32)
    pool = PoolView(embeddings, None, centres[:3], np.arange(3), 8, np.ones(480, np.float32))
    assert sorted(own[query(TypiClust(), pool, 5, rng).positions].tolist()) == [3, 4, 5, 6, 7]


def test_random_takes_every_clip_equally_often() -> None:
    pool, rng = a_pool(0), default_rng(0)
    drawn = np.bincount(np.concatenate([query(Random(), pool, 45, rng).positions for _ in range(2000)]), minlength=450)
    assert abs(drawn - 200).max() < 6 * math.sqrt(200 * 0.9)


def test_coverage_comes_first_and_margin_later() -> None:
    few, enough = a_pool(0, m=20), a_pool(0, m=21)
    schedule = CoverageThenMargin(coverage_per_class=3, candidates_per_pick=1)
    for pool, stage in ((few, TypiClust()), (enough, Margin())):
        np.testing.assert_array_equal(
            query(schedule, pool, 15, default_rng(0)).positions, query(stage, pool, 15, default_rng(0)).positions
        )


@SEEDS
def test_later_the_smallest_margin_of_each_cluster_of_candidates_is_taken(seed: int) -> None:
    pool, rng = a_pool(seed), default_rng(seed)
    candidates = query(Margin(), pool, 60, rng).positions.tolist()
    k_means = KMeans(15, n_init=1, random_state=int(rng.integers(2**31)))
    clusters = k_means.fit_predict(pool.embeddings[candidates]).tolist()
    expected = [i for rank, i in enumerate(candidates) if clusters[rank] not in clusters[:rank]]
    chosen = query(CoverageThenMargin(), pool, 15, default_rng(seed)).positions.tolist()
    assert chosen == expected
