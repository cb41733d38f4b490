"""Strategies for dimensions against scikit-activeml's and literal sums."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng
from skactiveml.pool import GreedySamplingTarget, GreedySamplingX
from skactiveml.regressor import SklearnRegressor
from sklearn.base import BaseEstimator, RegressorMixin

from al_core.pool import PoolView
from al_core.strategies.query import query
from al_core.strategies.specs import Ctial, DropoutVariance, GreedyX, GreedyY, StrategyError

SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


@SEEDS
def test_greedy_x_agrees_with_scikit_activeml(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    together = np.concatenate([pool.embeddings, pool.labelled_embeddings])
    y = np.concatenate([np.full(len(pool), np.nan), np.zeros(15)])
    theirs = GreedySamplingX(random_state=0).query(together, y, batch_size=25)
    np.testing.assert_array_equal(query(GreedyX(), pool, 25, default_rng(0)).positions, theirs)


@SEEDS
def test_greedy_y_agrees_with_scikit_activeml_on_one_dimension(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    assert pool.dimensions is not None
    assert pool.labelled_dimensions is not None
    predicted, known = pool.dimensions[:, :1], pool.labelled_dimensions[:, :1]
    one = replace(pool, n_dimensions=1, dimensions=predicted, labelled_dimensions=known)

    class Knows(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
        def fit(self, X, y, sample_weight=None):
            return self

        def predict(self, X):
            return predicted[X[:, 0].astype(int), 0].astype(float)

    rows = np.arange(315, dtype=float)[:, None]  # a clip is its own number, and the regressor looks it up
    y = np.concatenate([np.full(300, np.nan), known[:, 0]])
    theirs = GreedySamplingTarget(method="GSy", random_state=0).query(rows, y, SklearnRegressor(Knows()), batch_size=10)
    np.testing.assert_array_equal(query(GreedyY(), one, 10, default_rng(0)).positions, theirs)


@SEEDS
def test_greedy_y_is_the_quadratic_search_over_all_dimensions(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed, n=120)
    assert pool.dimensions is not None
    assert pool.labelled_dimensions is not None
    pool.labelled_dimensions[3, 1] = np.nan  # half known: left out
    known = [y.tolist() for y in pool.labelled_dimensions if np.isfinite(y).all()]
    predicted = pool.dimensions.astype(float).tolist()
    chosen: list[int] = []
    for _ in range(10):
        reach = {i: min(math.dist(predicted[i], y) for y in known) for i in range(len(predicted)) if i not in chosen}
        chosen.append(max(reach, key=lambda i: reach[i]))
        known.append(predicted[chosen[-1]])
    assert query(GreedyY(), pool, 10, default_rng(0)).positions.tolist() == chosen


@SEEDS
def test_dropout_variance_is_summed_over_dimensions(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    assert pool.dimension_samples is not None
    expected = []
    for passes in pool.dimension_samples.astype(float).tolist():
        columns = list(zip(*passes, strict=True))
        expected.append(sum(sum((v - sum(c) / len(c)) ** 2 for v in c) / len(c) for c in columns))
    chosen = query(DropoutVariance(), pool, 30, default_rng(0))
    assert chosen.positions.tolist() == np.argsort(-np.array(expected), kind="stable")[:30].tolist()


@SEEDS
def test_ctial_is_the_distance_between_what_two_tasks_say(seed: int, a_pool) -> None:
    pool: PoolView = a_pool(seed)
    assert pool.labelled_dimensions is not None
    assert pool.dimensions is not None
    assert pool.probabilities is not None
    pool.labelled_classes[:] = np.arange(15) % 4  # nobody labelled the last class: the mean of all
    values = pool.labelled_dimensions.astype(float)
    means = [values[pool.labelled_classes == c].mean(axis=0) for c in range(4)] + [values.mean(axis=0)]
    expected = [
        math.dist(own, sum(p[c] * means[c] for c in range(5)))
        for own, p in zip(pool.dimensions.astype(float), pool.probabilities.astype(float), strict=True)
    ]
    chosen = query(Ctial(), pool, 30, default_rng(0))
    assert chosen.positions.tolist() == np.argsort(-np.array(expected), kind="stable")[:30].tolist()


@pytest.mark.parametrize("strategy", [Ctial(), GreedyY()], ids=str)
def test_what_compares_with_labelled_dimensions_says_when_there_are_none(strategy, a_pool) -> None:
    with pytest.raises(StrategyError, match=r"label clips with both|fill PoolView\.labelled_dimensions"):
        query(strategy, replace(a_pool(0), labelled_dimensions=None), 5, default_rng(0))
