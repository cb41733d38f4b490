"""Figures of annotators against counting by hand, and flags that are rare where nobody differs."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from al_core.agreement import Event
from al_core.agreement.annotators import annotator_figures
from al_core.agreement.flags import flags
from al_core.agreement.intervals import wilson
from al_core.scheme import Scheme

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Simulate

SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))


def room(
    seed: int, n: int = 200, annotators: int = 5, right: float = 0.75, odd: float | None = None, days: int = 5
) -> list[Event]:
    """Equal annotators, `odd` the chance of the first to be right if it is not theirs."""
    rng = np.random.default_rng(seed)
    events = []
    for i, t in enumerate(rng.integers(0, 6, n)):
        for a in range(annotators):
            chance = odd if odd is not None and a == 0 else right
            said = t if rng.random() < chance else (t + rng.integers(1, 6)) % 6
            events.append(Event(f"{i:04d}", f"annotator {a}", SIX.classes[said], i, day=i * days // n))
    return events


@pytest.mark.parametrize("seed", range(3))
def test_agreement_with_the_others_is_what_counting_by_hand_gives(seed: int, simulate: "Simulate") -> None:
    events = simulate(seed, n=80, annotators=6, per_clip=4, unclear=0.1).events
    figures = annotator_figures(events, SIX)
    for own in figures:
        hits = n = 0
        for event in events:
            if event.annotator != own.annotator or event.answer is None:
                continue
            others = Counter(e.answer for e in events if e.clip == event.clip and e.annotator != own.annotator)
            ranked = others.most_common()
            tied = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
            if ranked and not tied and ranked[0][0] is not None:
                n += 1
                hits += ranked[0][0] == event.answer
        assert (own.consensus.hits, own.consensus.n) == (hits, n)
        given = [e for e in events if e.annotator == own.annotator]
        assert own.n == len(given) and own.n_unclear == sum(e.answer is None for e in given)


def test_gold_repeats_and_pace_are_counted_from_the_answers_that_tell_them() -> None:
    events = [
        Event("g1", "x", "anger", 1, seconds=4.0),
        Event("g2", "x", "fear", 2, seconds=1.0),
        Event("g3", "x", None, 3, seconds=3.0),
        Event("c1", "x", {"sadness": 2, "fear": 1}, 4, seconds=6.0),
        Event("c1", "x", "sadness", 5, repeat=True),
        Event("g1", "x", "fear", 6, repeat=True),
        Event("never answered", "x", "fear", 7, repeat=True),
    ]
    gold = {"g1": ["anger", "disgust"], "g2": {"neutral"}, "g3": ["fear"]}
    (own,) = annotator_figures(events, SIX, gold, {"g1": 2.0, "g2": 2.0, "c1": 4.0})
    assert (own.n, own.n_unclear) == (4, 1)
    assert (own.gold.hits, own.gold.n) == (1, 3)
    assert (own.consistency.hits, own.consistency.n) == (1, 2)
    assert own.pace is not None
    assert (own.pace.n, own.pace.seconds, own.pace.ratio) == (3, 4.0, 1.5)
    assert (own.pace.hurried.hits, own.pace.hurried.n) == (1, 3)
    assert own.pace.slope == pytest.approx(np.polyfit([2, 2, 4], [4, 1, 6], 1)[0])
    assert own.consensus.n == 0 and np.isnan(own.consensus.value) and own.drift is None


def test_drift_is_the_slope_of_agreement_on_days() -> None:
    events = room(0, n=300)
    own = annotator_figures(events, SIX)[1]
    assert own.drift is not None
    assert sum(share.n for _, share in own.drift.days) == own.consensus.n
    days, equal = [], []
    for day, share in own.drift.days:
        days += [day] * share.n
        equal += [1] * share.hits + [0] * (share.n - share.hits)
    fit = stats.linregress(days, equal)
    assert own.drift.slope == pytest.approx(fit.slope)
    assert own.drift.error == pytest.approx(fit.stderr, rel=0.1)


def test_no_times_no_pace_and_one_length_no_slope() -> None:
    (own,) = annotator_figures([Event("a", "x", "fear", seconds=3.0)], SIX)
    assert own.pace is None
    (own,) = annotator_figures([Event("a", "x", "fear", seconds=3.0)], SIX, clip_seconds={"a": 2.0})
    assert own.pace is not None and np.isnan(own.pace.slope)


def test_nobody_is_nobody() -> None:
    assert annotator_figures([], SIX) == () and flags(()) == {}


def test_equal_annotators_are_hardly_ever_flagged() -> None:
    flagged = sum(len(flags(annotator_figures(room(seed, n=120), SIX))) for seed in range(60))
    assert flagged <= 4  # of 300; about one is expected


def test_somebody_who_guesses_is_flagged_gently_and_nobody_else() -> None:
    for seed in range(5):
        told = flags(annotator_figures(room(seed, odd=0.2), SIX))
        assert set(told) == {"annotator 0"}
        assert "usual here are" in told["annotator 0"][0] and "may help" in told["annotator 0"][0]


def test_a_small_difference_is_no_flag_however_sure() -> None:
    figures = annotator_figures(room(0, n=4000, right=0.9, odd=0.85), SIX)
    assert flags(figures) == {}


def test_answering_before_clips_end_and_falling_agreement_are_flagged() -> None:
    rng = np.random.default_rng(0)
    events = []
    for event in room(1, n=400, right=0.85):
        tired = event.annotator == "annotator 3" and event.day is not None and rng.random() < event.day * 0.15
        answer = SIX.classes[rng.integers(6)] if tired else event.answer
        seconds = 1.0 if event.annotator == "annotator 2" else 5.0
        events.append(Event(event.clip, event.annotator, answer, event.order, seconds=seconds, day=event.day))
    told = flags(annotator_figures(events, SIX, clip_seconds=dict.fromkeys([e.clip for e in events], 3.0)))
    assert any("before the clip had ended" in sentence for sentence in told["annotator 2"])
    assert any("points a day" in sentence for sentence in told["annotator 3"])
    assert set(told) == {"annotator 2", "annotator 3"}


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 7), (50, 50), (480, 1000)])
def test_wilson_is_scipy_s(hits: int, n: int) -> None:
    ours, theirs = wilson(hits, n), stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_share_of_nothing_is_everything_possible() -> None:
    share = wilson(0, 0)
    assert np.isnan(share.value) and (share.low, share.high) == (0, 1)
