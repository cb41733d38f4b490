"""Afterloop's strategies in a modAL `ActiveLearner`."""

import numpy as np
import pytest
from modAL.models import ActiveLearner
from numpy.random import default_rng
from sklearn.linear_model import LogisticRegression

from al_core.loop import acquire, pool_view
from al_core.strategies.modal_bridge import as_modal_strategy
from al_core.strategies.query import query
from al_core.strategies.specs import STRATEGY_NAMES, Margin, Random, TypiClust, parse_strategy

NAMES = np.array(["anger", "neutral", "sadness"])


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows (30, 5), their class names, and a pool (400, 5)."""
    rng = default_rng(0)
    centres = rng.normal(size=(3, 5)) * 2
    classes = np.arange(30) % 3
    pool = centres[rng.integers(3, size=400)] + rng.normal(size=(400, 5))
    return centres[classes] + rng.normal(size=(30, 5)), NAMES[classes], pool


READABLE = [name for name in STRATEGY_NAMES if name != "alps" and not parse_strategy(name).needs_dimensions]


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("n", [1, 2, 15])
def test_an_active_learner_queries_with_every_strategy_of_ours(name: str, n: int, rows) -> None:
    """Exactly two as well: modAL would take two bare indices for an index and its metric."""
    X, y, pool = rows
    learner = ActiveLearner(
        LogisticRegression(), as_modal_strategy(parse_strategy(name), default_rng(0)), X_training=X, y_training=y
    )
    positions, instances, metric = learner.query(pool, n_instances=n, return_metrics=True)
    assert len(set(positions.tolist())) == len(metric) == n
    np.testing.assert_array_equal(instances, pool[positions])


def test_it_chooses_what_a_round_would_choose(rows) -> None:
    X, y, pool = rows
    estimator = LogisticRegression().fit(X, y)
    learner = ActiveLearner(estimator, as_modal_strategy(Margin(), default_rng(0)))
    positions, _ = learner.query(pool, n_instances=20)
    view = pool_view(
        pool,
        estimator.predict_proba(pool).astype(np.float32),
        X,
        np.searchsorted(NAMES, y),
        3,
        np.ones(400, np.float32),
    )
    np.testing.assert_array_equal(positions, acquire(Margin(), view, 20, default_rng(0)).positions)


def test_the_learner_s_training_rows_count_as_labelled(rows) -> None:
    X, y, pool = rows
    chosen = [
        ActiveLearner(
            LogisticRegression().fit(X, y), as_modal_strategy(parse_strategy("core_set"), default_rng(0)), **known
        )
        .query(pool, n_instances=5)[0]
        .tolist()
        for known in ({}, {"X_training": X, "y_training": y})
    ]
    assert chosen[0] != chosen[1]


def test_an_estimator_that_was_never_fitted_is_a_cold_start(rows) -> None:
    _, _, pool = rows
    for strategy, first in ((Margin(), Random()), (TypiClust(), TypiClust())):
        learner = ActiveLearner(LogisticRegression(), as_modal_strategy(strategy, default_rng(3)))
        positions, _ = learner.query(pool, n_instances=6)
        view = pool_view(pool, None, pool[:0], np.empty(0, np.int64), 0, np.ones(400, np.float32))
        np.testing.assert_array_equal(positions, query(first, view, 6, default_rng(3)).positions)
