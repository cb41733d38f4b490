"""Candidate reduction in shards, and the covering radius it is judged by."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import PCG64, Generator, default_rng

from al_core.pool import PoolView, Selection
from al_core.strategies import sharded
from al_core.strategies.coverage_radius import coverage_radius
from al_core.strategies.query import query
from al_core.strategies.specs import (
    Badge,
    Bald,
    CoreSet,
    Ctial,
    DropoutVariance,
    Entropy,
    LeastConfidence,
    Margin,
    Random,
    Sharded,
    Strategy,
    StrategyError,
    TypiClust,
)

RANKINGS = [Margin(), Entropy(), LeastConfidence(), Bald(), Ctial(), DropoutVariance()]


def literal_radius(pool: PoolView, chosen: list[int]) -> float:
    centres = [*pool.labelled_embeddings.tolist(), *pool.embeddings[chosen].tolist()]
    return max(min(math.dist(x, centre) for centre in centres) for x in pool.embeddings.tolist())


@pytest.mark.parametrize("inner", [Margin(), CoreSet(), Badge(), TypiClust(), Random()], ids=str)
def test_a_pool_of_one_shard_is_the_inner_strategy_s_to_the_bit(inner: Strategy, a_pool) -> None:
    pool, wrapped, plain = a_pool(0), default_rng(3), default_rng(3)
    chosen = query(Sharded(inner, shard_rows=300, candidates_per_pick=1), pool, 20, wrapped)
    expected = query(inner, pool, 20, plain)
    np.testing.assert_array_equal(chosen.positions, expected.positions)
    np.testing.assert_array_equal(chosen.scores, expected.scores)
    assert wrapped.bit_generator.state == plain.bit_generator.state


@pytest.mark.parametrize("inner", RANKINGS, ids=str)
@pytest.mark.parametrize("shard_rows", [299, 70, 7])
def test_a_ranking_in_shards_is_the_ranking_of_the_whole_pool(inner: Strategy, shard_rows: int, a_pool) -> None:
    """One candidate a pick is enough: the n best of all are among the n best of their shards."""
    pool: PoolView = a_pool(0)
    chosen = query(Sharded(inner, shard_rows=shard_rows, candidates_per_pick=1), pool, 25, default_rng(0))
    expected = query(inner, pool, 25, default_rng(0))
    np.testing.assert_array_equal(chosen.positions, expected.positions)
    np.testing.assert_array_equal(chosen.scores, expected.scores)


def test_each_shard_hands_up_candidates_by_a_generator_of_its_own(a_pool) -> None:
    pool: PoolView = a_pool(0)
    asked: list[tuple[PoolView, int, Generator]] = []

    def ask(part: PoolView, n: int, rng: Generator) -> Selection:
        asked.append((part, n, rng))
        return query(Margin(), part, n, rng)

    sharded.select(pool, 8, default_rng(0), ask, shard_rows=80, candidates_per_pick=10)
    *shards, last = asked
    assert [len(part) for part, _, _ in shards] == [75, 75, 75, 75]
    np.testing.assert_array_equal(np.concatenate([part.embeddings for part, _, _ in shards]), pool.embeddings)
    assert [n for _, n, _ in shards] == [75, 75, 75, 75]  # eighty wanted, and no shard has them
    assert (len(last[0]), last[1]) == (300, 8)
    assert len({id(rng) for _, _, rng in asked}) == len({int(rng.integers(2**62)) for _, _, rng in asked}) == 5
    assert all(np.shares_memory(part.embeddings, pool.embeddings) for part, _, _ in shards)
    assert all(len(part.labelled_embeddings) == 15 for part, _, _ in asked)


@pytest.mark.parametrize(("n", "shard_rows"), [(300, 299), (300, 49), (300, 1), (7, 2)])
def test_shards_are_of_equal_size_and_none_is_too_large(n: int, shard_rows: int, a_pool) -> None:
    sizes: list[int] = []

    def ask(part: PoolView, wanted: int, rng: Generator) -> Selection:
        sizes.append(len(part))
        return query(Random(), part, wanted, rng)

    sharded.select(a_pool(0, n=n), 1, default_rng(0), ask, shard_rows, candidates_per_pick=1)
    *shards, candidates = sizes
    assert sum(shards) == n
    assert max(shards) <= shard_rows
    assert max(shards) - min(shards) <= 1
    assert candidates == len(shards) == math.ceil(n / shard_rows)


def test_the_state_of_the_generator_decides_and_not_what_it_spawned_before(a_pool) -> None:
    """A generator put back into a state chooses what it chose from there."""
    pool, strategy, rng = a_pool(0), Sharded(Badge(), shard_rows=60, candidates_per_pick=2), Generator(PCG64(1))
    before = rng.bit_generator.state
    first, second = (query(strategy, pool, 15, rng).positions for _ in range(2))
    rng.bit_generator.state = before
    np.testing.assert_array_equal(query(strategy, pool, 15, rng).positions, first)
    assert first.tolist() != second.tolist()


def test_core_set_among_all_clips_as_candidates_is_core_set(a_pool) -> None:
    pool: PoolView = a_pool(0)
    chosen = query(Sharded(CoreSet(), shard_rows=60, candidates_per_pick=4), pool, 15, default_rng(0))
    expected = query(CoreSet(), pool, 15, default_rng(1))
    np.testing.assert_array_equal(chosen.positions, expected.positions)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("labelled", [0, 15])
def test_core_set_in_shards_covers_nearly_as_well_as_over_all_clips(seed: int, labelled: int, a_pool) -> None:
    """The bound is twice that of the search over all clips; chance alone is 1.06 to 1.7 times as far on these pools."""
    pool: PoolView = a_pool(seed, m=labelled)
    whole, parts = (
        coverage_radius(pool, query(strategy, pool, 20, default_rng(0)).positions)
        for strategy in (CoreSet(), Sharded(CoreSet(), shard_rows=60, candidates_per_pick=1))
    )
    assert parts < 1.2 * whole


def test_a_shard_without_anything_new_gives_its_picks_to_the_others() -> None:
    """Ten far-apart clusters in the last shard alone: a batch of ten visits them all."""
    rng = default_rng(0)
    own = np.append(np.zeros(400, np.int64), np.arange(200) % 10 + 1)
    embeddings = (np.eye(11)[own] * 50 + rng.normal(size=(600, 11))).astype(np.float32)
    known = (np.eye(11)[:1] * 50).astype(np.float32)
    pool = PoolView(embeddings, None, known, np.zeros(1, np.int64), 2, np.ones(600, np.float32))
    chosen = query(Sharded(CoreSet(), shard_rows=200, candidates_per_pick=1), pool, 10, rng).positions
    assert sorted(own[chosen].tolist()) == list(range(1, 11))


@pytest.mark.parametrize("labelled", [0, 15])
def test_the_covering_radius_is_the_distance_of_the_clip_furthest_from_all(labelled: int, a_pool) -> None:
    pool: PoolView = a_pool(1, m=labelled)
    chosen = [4, 250, 33]
    assert coverage_radius(pool, np.array(chosen)) == pytest.approx(literal_radius(pool, chosen), rel=1e-5)


def test_labelled_clips_cover_without_a_batch_and_a_batch_of_everything_leaves_nothing(a_pool) -> None:
    pool: PoolView = a_pool(1)
    nobody = np.empty(0, np.int64)
    assert coverage_radius(pool, nobody) == pytest.approx(literal_radius(pool, []), rel=1e-5)
    assert coverage_radius(pool, np.arange(300)) < 0.01
    assert coverage_radius(a_pool(1, n=0), nobody) == 0
    with pytest.raises(StrategyError, match="no clip is labelled or chosen"):
        coverage_radius(a_pool(1, m=0), nobody)


def test_the_covering_radius_of_a_mapped_pool_in_half_precision_is_read_in_blocks(a_pool, tmp_path: Path) -> None:
    pool: PoolView = a_pool(1, n=9000)
    half = np.memmap(tmp_path / "embeddings.f16", np.float16, "w+", shape=pool.embeddings.shape)
    half[:] = pool.embeddings
    half[8500] = 40  # in the second block
    mapped, chosen = replace(pool, embeddings=half), np.array([3, 8400])
    known = np.concatenate([pool.labelled_embeddings, np.asarray(half[chosen], np.float32)])
    expected = np.linalg.norm(known - 40, axis=1).min()
    assert coverage_radius(mapped, chosen) == pytest.approx(expected, rel=1e-5)
