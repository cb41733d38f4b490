"""Constraints, quotas, cost, exploration and a random share around any strategy."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from al_core.loop import acquire, group_codes
from al_core.pool import PoolView
from al_core.strategies import near_duplicates
from al_core.strategies.query import query
from al_core.strategies.specs import (
    Badge,
    Constrained,
    CoreSet,
    CostAware,
    DurationQuotas,
    Entropy,
    Explored,
    Margin,
    Random,
    RandomShare,
    Strategy,
    StrategyError,
    TypiClust,
)

INNER = pytest.mark.parametrize("inner", [Margin(), CoreSet(), Badge(), TypiClust(), Random()], ids=str)


def takes(pool: PoolView, positions: np.ndarray) -> Counter[tuple[int, int]]:
    return Counter(zip(pool.groups["speaker"][positions], pool.groups["sentence"][positions], strict=True))


@INNER
@pytest.mark.parametrize("column", ["speaker", "session", "sentence"])
def test_no_group_gets_more_than_its_limit(inner: Strategy, column: str, a_pool) -> None:
    pool: PoolView = a_pool(0)
    strategy = Constrained(inner, **{f"per_{column}": 4}, takes="any")
    chosen = query(strategy, pool, 12, default_rng(0)).positions
    assert len(set(chosen.tolist())) == 12
    assert max(Counter(pool.groups[column][chosen].tolist()).values()) <= 4


def test_limits_of_several_columns_hold_together(a_pool) -> None:
    pool: PoolView = a_pool(0)
    chosen = query(Constrained(Margin(), per_speaker=5, per_session=9), pool, 25, default_rng(0)).positions
    assert len(chosen) == 25
    assert max(Counter(pool.groups["speaker"][chosen].tolist()).values()) <= 5
    assert max(Counter(pool.groups["session"][chosen].tolist()).values()) <= 9


def test_a_batch_is_smaller_where_limits_leave_nothing(a_pool) -> None:
    pool: PoolView = a_pool(0)
    chosen = query(Constrained(Margin(), per_speaker=2), pool, 30, default_rng(0))
    assert Counter(pool.groups["speaker"][chosen.positions].tolist()) == dict.fromkeys(range(6), 2)
    assert len(chosen.scores) == 12


def test_what_breaks_no_limit_is_the_inner_strategy_s_own_batch(a_pool) -> None:
    pool: PoolView = a_pool(0)
    wide = Constrained(Badge(), per_speaker=300, takes="any")
    chosen, plain = (query(strategy, pool, 20, default_rng(0)) for strategy in (wide, Badge()))
    np.testing.assert_array_equal(chosen.positions, plain.positions)
    np.testing.assert_array_equal(chosen.scores, plain.scores)


def test_the_best_of_each_group_is_kept(a_pool) -> None:
    """Under margin, one a speaker is each speaker's smallest margin."""
    pool: PoolView = a_pool(0)
    order = query(Margin(), pool, len(pool), default_rng(0)).positions
    speakers = pool.groups["speaker"][order]
    best = {int(order[np.flatnonzero(speakers == speaker)[0]]) for speaker in range(6)}
    assert set(query(Constrained(Margin(), per_speaker=1), pool, 6, default_rng(0)).positions.tolist()) == best


def test_a_limit_on_a_column_the_pool_has_not_is_refused(a_pool) -> None:
    pool: PoolView = replace(a_pool(0), groups={"speaker": np.zeros(300, np.int64)})
    with pytest.raises(StrategyError, match="limited per session, but the pool knows speaker: leave the limit out"):
        query(Constrained(Margin(), per_session=1), pool, 5, default_rng(0))


@pytest.mark.parametrize("cell", [1000, 40])
def test_near_duplicates_are_found_in_the_embeddings(cell: int, a_pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clip three times, hardly moved: a batch holds each once; also where the pool is compared in parts."""
    monkeypatch.setattr(near_duplicates, "_CELL", cell)
    pool: PoolView = a_pool(0)
    assert pool.probabilities is not None
    thrice = np.arange(300) // 3
    moved = pool.embeddings[thrice] + 0.001 * default_rng(1).normal(size=pool.embeddings.shape)
    copied = replace(pool, embeddings=moved.astype(np.float32), probabilities=pool.probabilities[thrice])
    chosen = query(Constrained(Margin(), per_near_duplicate=1), copied, 60, default_rng(0)).positions
    assert len(set(thrice[chosen].tolist())) == len(chosen) == 60
    assert len(set(thrice[query(Margin(), copied, 60, default_rng(0)).positions].tolist())) < 30


def test_clips_of_unknown_groups_break_no_limit(a_pool) -> None:
    pool: PoolView = a_pool(0)
    unknown = replace(pool, groups={"speaker": np.full(300, -1)})
    assert len(query(Constrained(Margin(), per_speaker=1), unknown, 30, default_rng(0)).positions) == 30


@INNER
def test_no_round_holds_two_takes_of_a_sentence_by_one_speaker(inner: Strategy, a_pool) -> None:
    pool: PoolView = a_pool(0)
    n = 60
    asked = acquire(Constrained(inner, takes="any"), pool, n, default_rng(0)).positions
    assert max(takes(pool, asked).values()) > 1
    if not isinstance(inner, Random):
        assert max(takes(pool, acquire(inner, pool, n, default_rng(0)).positions).values()) == 1


def test_the_control_stays_uniform(a_pool) -> None:
    pool: PoolView = a_pool(0)
    np.testing.assert_array_equal(
        acquire(Random(), pool, 60, default_rng(0)).positions, query(Random(), pool, 60, default_rng(0)).positions
    )


def test_second_takes_fill_a_batch_that_would_else_be_smaller(a_pool) -> None:
    pool: PoolView = a_pool(0)
    few = replace(pool, groups={"speaker": np.arange(300) % 2, "sentence": np.zeros(300, np.int64)})
    chosen = acquire(Margin(), few, 9, default_rng(0)).positions
    assert sorted(takes(few, chosen).values()) == [4, 5]


def test_quotas_by_length_are_kept(a_pool) -> None:
    pool: PoolView = a_pool(0)
    quotas = DurationQuotas(Margin(), bounds_s=(2.0, 4.0), shares=(0.5, 0.25, 0.25))
    lengths = pool.durations_s[query(quotas, pool, 20, default_rng(0)).positions]
    assert [(lengths < 2).sum(), ((lengths >= 2) & (lengths < 4)).sum(), (lengths >= 4).sum()] == [10, 5, 5]


def test_what_a_band_cannot_give_comes_from_the_others(a_pool) -> None:
    pool: PoolView = a_pool(0)
    chosen = query(DurationQuotas(Margin(), bounds_s=(0.5,), shares=(0.9, 0.1)), pool, 20, default_rng(0)).positions
    assert len(set(chosen.tolist())) == 20


def test_cost_awareness_buys_more_clips_with_the_same_listening(a_pool) -> None:
    pool: PoolView = a_pool(0)
    plain = query(Margin(), pool, 20, default_rng(0)).positions
    aware = query(CostAware(Margin(), overhead_s=0, candidates_per_pick=3), pool, 20, default_rng(0))
    assert pool.durations_s[aware.positions].sum() < 0.9 * pool.durations_s[plain].sum()
    candidates = query(Margin(), pool, 60, default_rng(0)).positions.tolist()
    worth = {i: (1 - rank / 60) / pool.durations_s[i] for rank, i in enumerate(candidates)}
    assert aware.positions.tolist() == sorted(candidates, key=lambda i: -worth[i])[:20]


def test_one_candidate_a_pick_only_reorders(a_pool) -> None:
    pool: PoolView = a_pool(0)
    aware = query(CostAware(Margin(), candidates_per_pick=1), pool, 20, default_rng(0)).positions
    assert set(aware.tolist()) == set(query(Margin(), pool, 20, default_rng(0)).positions.tolist())


def test_exploration_goes_where_no_label_is() -> None:
    """Five clusters, three labelled, margins small in one of these: the explored clips are in the other two."""
    rng = default_rng(0)
    own = np.arange(500) % 5
    embeddings = (np.eye(5)[own] * 50 + rng.normal(size=(500, 5))).astype(np.float32)
    sure = np.where((own == 0)[:, None], [0.5, 0.5], [0.99, 0.01]).astype(np.float32)
    known = (np.eye(5)[:3] * 50).astype(np.float32)
    pool = PoolView(embeddings, sure, known, np.zeros(3, np.int64), 2, np.ones(500, np.float32))
    chosen = query(Explored(Margin(), share=0.4), pool, 10, rng)
    assert set(own[chosen.positions[:6]]) == {0}
    assert chosen.scores[6:].tolist() == [0, 0, 0, 0]
    # Four strata for five clusters: at least one of the two unknown ones stands alone and is visited first.
    assert own[chosen.positions[6]] in (3, 4)


def test_a_random_share_is_a_sample_of_the_whole_pool(a_pool) -> None:
    pool: PoolView = a_pool(0, n=60)
    rng = default_rng(0)
    drawn = np.concatenate([query(RandomShare(Entropy(), share=0.5), pool, 10, rng).positions[5:] for _ in range(600)])
    counts = np.bincount(drawn, minlength=60)
    assert abs(counts - 50).max() < 5 * np.sqrt(50)


def test_the_inner_strategy_takes_the_best_of_what_chance_left(a_pool) -> None:
    pool: PoolView = a_pool(0)
    chosen = query(RandomShare(Margin(), share=0.5), pool, 20, default_rng(0)).positions
    order = query(Margin(), pool, len(pool), default_rng(0)).positions
    left = [i for i in order.tolist() if i not in chosen[10:]]
    assert chosen[:10].tolist() == left[:10]


def test_groups_are_numbered_by_value_and_unknown_ones_are_minus_one() -> None:
    coded = group_codes({"speaker": ["b", "a", None, "b"], "session": [None] * 4})
    assert {name: codes.tolist() for name, codes in coded.items()} == {"speaker": [0, 1, -1, 0]}
