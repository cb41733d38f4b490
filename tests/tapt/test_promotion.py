"""Paired intervals and the rule that an adapted encoder must not lose."""

import numpy as np
import pytest
from scipy import stats

from tapt.paired import Paired, paired
from tapt.promotion import Guard, GuardError, judge


def test_the_interval_is_students_for_folds_that_share_nothing() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(0.7, 0.05, 8), rng.normal(0.72, 0.05, 8)
    found = paired(before.tolist(), after.tolist(), overlap=0)
    expected = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.before, found.after) == pytest.approx((before.mean(), after.mean()))


def test_folds_that_share_clips_have_a_wider_interval() -> None:
    before, after = [0.5, 0.6, 0.55], [0.53, 0.6, 0.56]
    plain, shared = paired(before, after, 0), paired(before, after, 1 / 3)
    assert plain.low is not None and shared.low is not None
    assert shared.gain - shared.low == pytest.approx((plain.gain - plain.low) * 2**0.5)


def test_one_fold_has_no_interval_and_none_is_refused() -> None:
    assert paired([0.5], [0.6], 0.3).low is None
    with pytest.raises(ValueError, match="0 folds before"):
        paired([], [], 0)


def _found(gain: float) -> Paired:
    return Paired(0.7, 0.7 + gain, gain, gain - 0.02, gain + 0.02, 5)


@pytest.mark.parametrize(
    ("gain", "margin", "outcome"),
    [(0.0, 0.0, "not_worse"), (-0.001, 0.0, "worse"), (-0.009, 0.01, "not_worse"), (-0.011, 0.01, "worse")],
)
def test_an_encoder_loses_when_its_mean_falls_by_more_than_the_margin(gain: float, margin: float, outcome: str) -> None:
    judged = judge(Guard(margin=margin), _found(gain))
    assert judged.outcome == outcome
    assert judged.activated is (outcome == "not_worse")
    assert f"{100 * gain:+.1f} points" in judged.sentence


@pytest.mark.parametrize("found", [_found(0.05), _found(-0.05), "3 clips have a label"])
def test_always_and_never_do_as_asked_whatever_was_found(found: Paired | str) -> None:
    assert judge(Guard("always"), found).activated
    assert not judge(Guard("never"), found).activated


def test_what_was_not_measured_is_not_used_and_says_why() -> None:
    judged = judge(Guard(), "3 clips have a label and 40 are needed")
    assert (judged.outcome, judged.activated) == ("unmeasured", False)
    assert judged.sentence == (
        "not measured: 3 clips have a label and 40 are needed; the adapted encoder is not used until a comparison "
        "shows that it does not lose"
    )


def test_ccc_is_told_as_it_is_and_uar_in_per_cent() -> None:
    assert "CCC goes from 0.700 to 0.710: +0.010 [-0.010, +0.030]" in judge(Guard(), _found(0.01), "CCC").sentence
    assert "UAR goes from 70.0 to 71.0 %: +1.0 points [-1.0, +3.0], 5 folds" in judge(Guard(), _found(0.01)).sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"margin": -0.1}, "margin is -0.1"), ({"seeds": 1}, "seeds is 1"), ({"least_labels": 0}, "least")],
)
def test_a_guard_that_cannot_work_is_refused_by_its_field(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(GuardError, match=named):
        Guard(**wrong)
