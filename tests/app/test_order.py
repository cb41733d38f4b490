"""The order of a queue: neighbours differ in speaker and predicted class as far as their numbers allow."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.annotations.order import Queued, interleaved

NAMES = st.sampled_from(["a", "b", "c", "d"]) | st.none()
CLIPS = st.lists(st.tuples(NAMES, NAMES), max_size=60).map(
    lambda groups: [Queued(i, *group) for i, group in enumerate(groups)]
)


@given(CLIPS)
def test_every_clip_is_queued_exactly_once(clips: list[Queued]) -> None:
    assert sorted(interleaved(clips), key=lambda clip: clip.clip_id) == clips


@given(st.integers(0, 50))
def test_where_nothing_is_known_the_order_stays(n: int) -> None:
    clips = [Queued(i) for i in range(n)]
    assert interleaved(clips) == clips


@given(CLIPS)
def test_the_same_clips_come_in_the_same_order(clips: list[Queued]) -> None:
    assert interleaved(clips) == interleaved(clips)


def test_speakers_who_come_in_blocks_alternate() -> None:
    clips = [Queued(i, speaker=f"s{i // 10}") for i in range(40)]
    heard = interleaved(clips)
    assert all(one.speaker != two.speaker for one, two in pairwise(heard))
    for start in range(0, 40, 4):
        assert len({clip.speaker for clip in heard[start : start + 4]}) == 4


def test_neither_speaker_nor_class_repeats_in_a_batch_of_real_size() -> None:
    rng = Random(3)
    clips = [Queued(i, f"s{rng.randrange(24)}", rng.choice("ahns")) for i in range(400)]
    heard = interleaved(clips)
    assert sum(one.speaker == two.speaker or one.predicted == two.predicted for one, two in pairwise(heard)) == 0
    before = sum(one.speaker == two.speaker or one.predicted == two.predicted for one, two in pairwise(clips))
    assert before > 80


@pytest.mark.parametrize("most", [51, 70])
def test_a_class_in_the_majority_is_spread_over_the_whole_queue(most: int) -> None:
    clips = [Queued(i, f"s{i % 7}", "neutral" if i < most else "anger") for i in range(100)]
    heard = interleaved(clips)
    parts = [Counter(clip.predicted for clip in heard[start : start + 20])["neutral"] for start in range(0, 100, 20)]
    assert max(parts) - min(parts) <= 4
    assert all(one.speaker != two.speaker for one, two in pairwise(heard))
