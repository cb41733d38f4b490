"""k-means, ALPs, DropQuery, cluster-margin and ProbCover, each against its definition step by step."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from skactiveml.pool import ProbCover as TheirProbCover
from sklearn.cluster import AgglomerativeClustering
from sklearn.cluster import KMeans as SkKMeans

from al_core.pool import PoolView
from al_core.strategies import clustering
from al_core.strategies.query import query
from al_core.strategies.rows import Rows
from al_core.strategies.specs import Alps, ClusterMargin, DropQuery, KMeans, Margin, ProbCover, StrategyError

SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def literal_central(rows: np.ndarray, n: int, rng: Generator) -> list[set[int]]:
    """The rows of each cluster nearest to its centre, found pair by pair: of two rows both are."""
    fitted = SkKMeans(n, n_init=1, random_state=int(rng.integers(2**31))).fit(rows)
    centres = fitted.cluster_centers_.tolist()
    own = [min(range(n), key=lambda c: math.dist(row, centres[c])) for row in rows.tolist()]
    members = [[i for i in range(len(rows)) if own[i] == c] for c in range(n)]
    central = []
    for centre, group in zip(centres, members, strict=True):
        reach = {i: math.dist(rows[i].tolist(), centre) for i in group}
        central.append({i for i in group if reach[i] < min(reach.values()) + 1e-5})
    return central


def assert_one_of_each(chosen: list[int], groups: list[set[int]]) -> None:
    assert len(chosen) == len(groups)
    assert all(len(group & set(chosen)) == 1 for group in groups)


@SEEDS
def test_k_means_takes_the_clip_nearest_each_centre(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    chosen = query(KMeans(), pool, 12, default_rng(seed))
    assert_one_of_each(chosen.positions.tolist(), literal_central(pool.embeddings, 12, default_rng(seed)))
    assert chosen.clusters is not None
    assert len(set(chosen.clusters.tolist())) == 12


@SEEDS
def test_alps_is_the_same_over_unit_length_loss_profiles(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    assert pool.loss_profile is not None
    unit = pool.loss_profile / np.linalg.norm(pool.loss_profile, axis=1, keepdims=True)
    chosen = query(Alps(), pool, 8, default_rng(seed)).positions
    assert_one_of_each(chosen.tolist(), literal_central(unit, 8, default_rng(seed)))


def test_alps_says_what_it_lacks(a_pool) -> None:
    with pytest.raises(StrategyError, match=r"loss profiles, the pool has none"):
        query(Alps(), replace(a_pool(0), loss_profile=None), 5, default_rng(0))


@SEEDS
def test_drop_query_chooses_central_clips_among_those_dropout_overturns(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    assert pool.samples is not None
    assert pool.probabilities is not None
    overturned = [
        i
        for i in range(len(pool))
        if sum(guess != pool.probabilities[i].argmax() for guess in pool.samples[i].argmax(axis=1)) > 3
    ]
    assert len(overturned) > 10
    rng = default_rng(seed)
    rng.permutation(len(pool))
    central = [{overturned[i] for i in group} for group in literal_central(pool.embeddings[overturned], 5, rng)]
    assert_one_of_each(query(DropQuery(), pool, 5, default_rng(seed)).positions.tolist(), central)


def test_drop_query_fills_up_with_the_clips_contradicted_most(a_pool) -> None:
    pool: PoolView = a_pool(0)
    assert pool.probabilities is not None
    sure = np.zeros_like(pool.samples)
    sure[np.arange(300), :, pool.probabilities.argmax(axis=1)] = 1
    sure[:4, :4] = np.roll(sure[:4, :4], 1, axis=2)  # four clips are overturned by four passes of six
    sure[4:8, :2] = np.roll(sure[4:8, :2], 1, axis=2)  # four are contradicted by two
    chosen = query(DropQuery(), replace(pool, samples=sure), 8, default_rng(0)).positions
    assert set(chosen.tolist()) == set(range(8))


@SEEDS
def test_cluster_margin_takes_one_of_each_cluster_the_smallest_first(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    candidates = query(Margin(), pool, 80, default_rng(seed)).positions
    clusters = AgglomerativeClustering(8, linkage="average").fit_predict(pool.embeddings[candidates])
    sizes = np.bincount(clusters)
    chosen = query(ClusterMargin(), pool, 8, default_rng(seed)).positions.tolist()
    own = [int(clusters[candidates.tolist().index(i)]) for i in chosen]
    assert sorted(own) == list(range(8))
    assert [sizes[c] for c in own] == sorted(sizes)


def literal_prob_cover(pool: PoolView, n: int, radius: float) -> list[float]:
    """How many clips each pick covers anew; which of equals is picked is chance."""
    rows = [x / np.linalg.norm(x) for x in pool.embeddings.astype(float)]
    known = [x / np.linalg.norm(x) for x in pool.labelled_embeddings.astype(float)]
    balls = [{j for j, y in enumerate(rows) if math.dist(x, y) <= radius} for x in rows]
    covered = {j for j, y in enumerate(rows) if any(math.dist(x, y) <= radius for x in known)}
    gains = []
    for i in query(ProbCover(radius=radius), pool, n, default_rng(0)).positions:
        most = max(len(ball - covered) for ball in balls)
        assert len(balls[i] - covered) == most
        covered |= balls[i]
        gains.append(float(most))
    return gains


@SEEDS
def test_prob_cover_takes_a_ball_that_covers_most_anew(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed, n=150)
    chosen = query(ProbCover(radius=0.6), pool, 12, default_rng(0))
    assert chosen.scores.tolist() == literal_prob_cover(pool, 12, 0.6)
    assert chosen.scores[0] > 1


def test_prob_cover_covers_as_much_as_scikit_activeml_s(a_pool) -> None:
    pool: PoolView = a_pool(4, n=150)
    together = np.concatenate([pool.embeddings, pool.labelled_embeddings])
    unit = together / np.linalg.norm(together, axis=1, keepdims=True)
    y = np.concatenate([np.full(150, np.nan), pool.labelled_classes])
    with pytest.warns(UserWarning, match="purity"):  # it looks for none where there is one radius
        theirs = TheirProbCover(n_classes=5, deltas=[0.6], random_state=0)
        _, utilities = theirs.query(unit, y, batch_size=8, return_utilities=True)
    ours = query(ProbCover(radius=0.6), pool, 8, default_rng(0)).scores
    np.testing.assert_array_equal(ours, np.nanmax(utilities, axis=1))


def test_without_a_radius_balls_stay_within_clusters() -> None:
    """Five tight clusters at right angles: the radius grows to just below the distance between them."""
    rng = default_rng(0)
    embeddings = (np.eye(5)[np.arange(100) % 5] + 0.02 * rng.normal(size=(100, 5))).astype(np.float32)
    pool = PoolView(embeddings, None, np.empty((0, 5), np.float32), np.empty(0, np.int64), 5, np.ones(100, np.float32))
    chosen = query(ProbCover(), pool, 6, rng)
    assert chosen.scores.tolist() == [20, 20, 20, 20, 20, 0]
    assert sorted(chosen.positions[:5] % 5) == [0, 1, 2, 3, 4]


def test_a_large_pool_is_clustered_by_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Centres fitted on a tenth of the rows find the same nine far-apart clusters."""
    monkeypatch.setattr(clustering, "_ROWS_TO_FIT", 300)
    monkeypatch.setattr(clustering, "_ROWS_A_CLUSTER", 10)
    rng = default_rng(0)
    own = rng.integers(9, size=3000)
    rows = (np.eye(9)[own] * 50 + rng.normal(size=(3000, 9))).astype(np.float32)
    found = clustering.cluster(Rows((rows,)), 9, rng)
    assert len({(a, b) for a, b in zip(own, found.of_row, strict=True)}) == 9
