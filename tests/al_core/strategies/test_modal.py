"""modAL-style callables in a round."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from modAL.batch import ranked_batch
from modAL.uncertainty import entropy_sampling, margin_sampling
from numpy.random import default_rng

from al_core.pool import PoolView
from al_core.strategies.modal import resolve
from al_core.strategies.query import query
from al_core.strategies.specs import Entropy, Margin, Modal, StrategyError


@pytest.fixture
def pool() -> PoolView:
    rng = default_rng(0)
    return PoolView(
        rng.normal(size=(420, 6)).astype(np.float32),
        rng.dirichlet(np.ones(4), 420).astype(np.float32),
        rng.normal(size=(9, 6)).astype(np.float32),
        rng.integers(4, size=9),
        4,
        np.ones(420, np.float32),
    )


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A user's own module of query strategies, importable as `their_strategies`."""
    module = ModuleType("their_strategies")
    monkeypatch.setitem(sys.modules, "their_strategies", module)
    return module


@pytest.mark.parametrize(("theirs", "ours"), [(margin_sampling, Margin()), (entropy_sampling, Entropy())])
def test_modal_s_own_uncertainty_strategies_choose_the_clips_ours_choose(
    theirs: Any, ours: Any, pool: PoolView
) -> None:
    chosen = query(Modal(f"modAL.uncertainty:{theirs.__name__}"), pool, 30, default_rng(0))
    assert set(chosen.positions.tolist()) == set(query(ours, pool, 30, default_rng(0)).positions.tolist())


def test_modal_s_ranked_batch_sees_the_labelled_clips(pool: PoolView) -> None:
    """modAL's function called directly, with only the attributes it reads, chooses the same clips in the same order."""
    assert pool.probabilities is not None

    class Bare:
        X_training = pool.labelled_embeddings
        on_transformed = False

    uncertainty = 1 - pool.probabilities.astype(np.float64).max(axis=1)
    expected, _ = ranked_batch(Bare(), pool.embeddings, uncertainty, 12, "euclidean", None)
    chosen = query(Modal("modAL.batch:uncertainty_batch_sampling"), pool, 12, default_rng(0))
    np.testing.assert_array_equal(chosen.positions, expected)


def test_a_user_s_callable_gets_the_learner_the_pool_and_how_many(plugged: Any, pool: PoolView) -> None:
    def longest_vectors(learner: Any, X: Any, n_instances: int = 1) -> Any:
        assert learner.predict_proba(X).shape == (420, 4)
        assert learner.predict(X).shape == (420,)
        assert learner.X_training.shape == (9, 6)
        assert learner.y_training.shape == (9,)
        assert learner.classes_.tolist() == [0, 1, 2, 3]
        lengths = np.linalg.norm(X, axis=1)
        order = np.argsort(-lengths)[:n_instances]
        return order, lengths[order]

    plugged.longest_vectors = longest_vectors
    chosen = query(Modal("their_strategies:longest_vectors"), pool, 7, default_rng(0))
    lengths = np.linalg.norm(pool.embeddings, axis=1)
    assert chosen.positions.tolist() == np.argsort(-lengths)[:7].tolist()
    np.testing.assert_allclose(chosen.scores, np.sort(lengths)[::-1][:7], rtol=1e-6)


def test_two_bare_indices_are_two_indices_and_not_an_index_with_its_metric(plugged: Any, pool: PoolView) -> None:
    plugged.two = lambda learner, X, n_instances: np.array([5, 3])
    chosen = query(Modal("their_strategies:two"), pool, 2, default_rng(0))
    assert chosen.positions.tolist() == [5, 3]
    assert chosen.scores.tolist() == [0, -1]


def test_instances_in_the_place_of_the_metric_leave_the_rank_as_score(plugged: Any, pool: PoolView) -> None:
    """modAL's tutorials return (indices, X[indices])."""
    plugged.old = lambda learner, X, n_instances: (np.arange(n_instances), X[:n_instances])
    assert query(Modal("their_strategies:old"), pool, 3, default_rng(0)).scores.tolist() == [0, -1, -2]


@pytest.mark.parametrize("answer", [[1, 1, 2], [1, 2], [0, 1, 420], [-1, 0, 1], [0.5, 1.5, 2.5], None], ids=str)
def test_an_answer_that_is_not_n_positions_is_refused(answer: Any, plugged: Any, pool: PoolView) -> None:
    plugged.wrong = lambda learner, X, n_instances: (answer, None)
    with pytest.raises(StrategyError, match="their_strategies:wrong"):
        query(Modal("their_strategies:wrong"), pool, 3, default_rng(0))


def test_a_callable_that_fails_is_named_with_its_reason_and_called_once(plugged: Any, pool: PoolView) -> None:
    calls = []

    def broken(learner: Any, X: Any, n_instances: int) -> Any:
        calls.append(n_instances)
        raise KeyError("no such column")

    plugged.broken = broken
    with pytest.raises(StrategyError, match="their_strategies:broken failed: KeyError: 'no such column'"):
        query(Modal("their_strategies:broken"), pool, 3, default_rng(0))
    assert calls == [3]


def test_predictions_of_rows_the_round_has_not_seen_are_refused(plugged: Any, pool: PoolView) -> None:
    plugged.half = lambda learner, X, n_instances: learner.predict_proba(X[:10])
    with pytest.raises(StrategyError, match="predicts its pool only"):
        query(Modal("their_strategies:half"), pool, 3, default_rng(0))


@pytest.mark.parametrize("path", ["no_such_package:query", "modAL.uncertainty:no_such_name", "numpy:pi", "numpy", ":x"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(StrategyError, match=r"cannot import|not callable"):
        resolve(path)


def test_a_callable_that_draws_from_numpy_s_global_generator_can_be_replayed(plugged: Any, pool: PoolView) -> None:
    def drawn(learner: Any, X: Any, n_instances: int) -> Any:
        return np.random.permutation(len(X))[:n_instances], None

    plugged.drawn = drawn
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    first, again = (query(Modal("their_strategies:drawn"), pool, 5, default_rng(4)).positions for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.random.get_state()[1].tolist() == before
