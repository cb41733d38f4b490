"""The steps a round is made of."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from al_core.loop import acquire, pool_view, round_rng
from al_core.strategies.query import query
from al_core.strategies.specs import (
    STRATEGY_NAMES,
    CoreSet,
    CoverageThenMargin,
    Margin,
    Modal,
    Random,
    StrategyError,
    TypiClust,
    parse_strategy,
)


def a_view(n: int = 60, m: int = 10):
    rng = default_rng(0)
    scale = np.array([1, 1, 1, 1000], np.float32)
    return pool_view(
        rng.normal(size=(n, 4)).astype(np.float32) * scale,
        rng.dirichlet(np.ones(3), n).astype(np.float32),
        rng.normal(size=(m, 4)).astype(np.float32) * scale + 5,
        rng.integers(3, size=m),
        3,
        np.ones(n, np.float32),
    )


def test_a_round_s_generator_replays_and_no_two_arms_rounds_or_seeds_share_one() -> None:
    drawn = {
        (seed, number, arm): round_rng(seed, number, arm).integers(2**60)
        for seed in (0, 1)
        for number in (0, 1)
        for arm in ("strategy", "control")
    }
    assert len(set(drawn.values())) == 8
    assert round_rng(1, 0, "control").integers(2**60) == drawn[1, 0, "control"]


def test_the_generator_of_a_round_is_the_same_in_every_release() -> None:
    """A receipt names seed, round and arm: it must replay years later."""
    assert round_rng(7, 3, "strategy").integers(1000, size=4).tolist() == [82, 42, 948, 884]


def test_every_column_is_normalised_over_pool_and_labelled_clips_together() -> None:
    view = a_view()
    together = np.concatenate([view.embeddings, view.labelled_embeddings])
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(together.std(axis=0), 1, rtol=1e-5)
    assert view.embeddings.dtype == np.float32


def test_a_column_that_does_not_vary_becomes_zero() -> None:
    rows = np.full((5, 2), 3, np.float16)
    view = pool_view(rows, None, rows[:0], np.empty(0, np.int64), 2, np.ones(5, np.float32))
    np.testing.assert_array_equal(view.embeddings, 0)


def test_before_a_classifier_exists_what_reads_probabilities_chooses_at_random() -> None:
    cold = replace(a_view(), probabilities=None)
    for strategy in (Margin(), parse_strategy("badge"), Modal("modAL.uncertainty:margin_sampling")):
        np.testing.assert_array_equal(
            acquire(strategy, cold, 8, default_rng(0)).positions, query(Random(), cold, 8, default_rng(0)).positions
        )


def test_before_a_classifier_exists_the_others_begin_by_themselves() -> None:
    cold = replace(a_view(), probabilities=None)
    for strategy, first in ((CoverageThenMargin(), TypiClust()), (CoreSet(), CoreSet())):
        np.testing.assert_array_equal(
            acquire(strategy, cold, 8, default_rng(0)).positions, query(first, cold, 8, default_rng(0)).positions
        )


def test_a_strategy_is_asked_as_it_is_once_a_classifier_exists() -> None:
    view = a_view()
    np.testing.assert_array_equal(
        acquire(Margin(), view, 8, default_rng(0)).positions, query(Margin(), view, 8, default_rng(0)).positions
    )


def test_without_classes_a_round_is_chosen_by_embeddings_and_what_reads_probabilities_is_refused() -> None:
    rng = default_rng(0)
    rows = rng.normal(size=(40, 4)).astype(np.float32)
    nothing = np.zeros((40, 0), np.float32)
    view = pool_view(rows, nothing, rows[:5], np.empty(5, np.int64), 0, np.ones(40, np.float32))
    for strategy in (CoverageThenMargin(), TypiClust(), CoreSet(), Random()):
        assert len(set(acquire(strategy, view, 8, default_rng(0)).positions.tolist())) == 8
    with pytest.raises(StrategyError, match="margin reads class probabilities and the scheme has dimensions alone"):
        acquire(Margin(), view, 8, default_rng(0))


@pytest.mark.parametrize("name", STRATEGY_NAMES)
def test_needing_probabilities_is_known_of_every_strategy(name: str) -> None:
    doubt = {"entropy", "least_confidence", "margin", "badge", "cluster_margin", "ranked_batch", "drop_query", "ctial"}
    doubt |= {"bald", "batch_bald", "power_bald"}
    assert parse_strategy(name).needs_probabilities == (name in doubt)
