"""Packing by length: every clip once, inside the budget, with little padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from al_core.features import pack_by_length
from al_core.features.packing import MAX_PADDING

lengths_lists = st.lists(st.integers(1, 30_000), max_size=200)


@given(lengths_lists, st.integers(0, 60_000))
def test_every_position_is_packed_exactly_once(lengths: list[int], budget: int) -> None:
    packed = [position for pack in pack_by_length(lengths, budget) for position in pack]
    assert sorted(packed) == list(range(len(lengths)))


@given(lengths_lists, st.integers(0, 60_000))
def test_a_padded_pack_stays_within_the_budget_unless_it_is_one_clip(lengths: list[int], budget: int) -> None:
    for pack in pack_by_length(lengths, budget):
        assert len(pack) == 1 or len(pack) * max(lengths[i] for i in pack) <= budget


@given(lengths_lists, st.integers(0, 60_000))
def test_no_clip_is_padded_by_more_than_the_limit(lengths: list[int], budget: int) -> None:
    for pack in pack_by_length(lengths, budget):
        longest = max(lengths[i] for i in pack)
        assert min(lengths[i] for i in pack) >= (1 - MAX_PADDING) * longest


def test_longest_clips_come_first() -> None:
    assert pack_by_length([1_000, 9_000, 3_000], 1) == [[1], [2], [0]]


def test_equal_lengths_fill_the_budget_in_their_order() -> None:
    assert pack_by_length([2_000] * 5, 4_000) == [[0, 1], [2, 3], [4]]


def test_a_large_pool_is_packed_with_little_padding_and_few_packs() -> None:
    lengths = np.random.default_rng(0).lognormal(1.2, 0.5, size=10_000) * 1_000
    milliseconds = [int(length) for length in lengths]
    packs = pack_by_length(milliseconds, 30_000)
    padded = sum(len(pack) * max(milliseconds[i] for i in pack) for pack in packs)
    assert padded <= 1.01 * sum(milliseconds)
    assert padded >= 0.8 * 30_000 * len(packs)


def test_nothing_is_packed_into_nothing() -> None:
    assert pack_by_length([], 10) == []
