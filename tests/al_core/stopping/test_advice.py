"""The advice: what decides, and the sentence an operator reads."""

from dataclasses import replace

import pytest

from al_core.stopping.advice import Evidence, advise
from al_core.stopping.learning_curve import CurvePoint
from al_core.stopping.measure import Measure

N = (50, 100, 150, 200, 250, 300)
BENDS = (0.004, -0.003, 0.002, -0.002, 0.003, -0.003)  # so that there is noise, and an interval


def evidence(b: float, c: float = 0.5, measure: Measure = Measure.UAR) -> Evidence:
    """Six rounds on the curve 0.8 − b·n^(−c)."""
    points = [CurvePoint(n, 0.8 - b * n**-c + bend, 0.03) for n, bend in zip(N, BENDS, strict=True)]
    return Evidence(points, measure, [0.9, 0.95, 0.97], [0.6, 0.5, 0.4, 0.3], 0.175, "listening", None, 1000)


def test_a_rising_curve_is_worth_more_labels_and_says_what_they_cost() -> None:
    found = advise(evidence(b=2.5), 200)
    assert found.verdict == "worth it" and found.minutes == pytest.approx(35)
    assert found.gain is not None and found.gain.low > 0 and found.gain.value > 0.01
    assert found.sentence.startswith("Worth it: about +")
    assert "for 200 more labels, about 35 minutes of listening. The next measurement may show " in found.sentence
    assert [one.name for one in found.criteria] == [
        "expected gain",
        "plateau",
        "stabilising predictions",
        "confidence",
    ]


def test_a_flat_curve_says_stop_and_the_others_may_disagree() -> None:
    found = advise(evidence(b=4.0, c=1.5), 50)
    assert found.verdict == "stop" and found.gain is not None and found.gain.high < 0.005
    assert found.sentence.startswith("Stop now: about") and "0.5 would be worth it" in found.sentence
    assert [one.verdict for one in found.criteria] == ["stop", "stop", "go on", "go on"]


def test_what_is_worth_it_is_the_operators_to_say() -> None:
    flat, steep = evidence(b=4.0, c=1.5), evidence(b=2.5)
    assert advise(flat, 50, worth=0.0001).verdict == "worth it"
    assert advise(steep, 50, worth=0.2).verdict == "stop"


def test_a_gain_that_may_or_may_not_be_enough_goes_on_and_says_so() -> None:
    known = evidence(b=2.5)
    gain = advise(known, 50).gain
    assert gain is not None
    found = advise(known, 50, worth=(gain.value + gain.high) / 2)
    assert found.verdict == "worth it" and found.sentence.startswith("Not clear yet: ")


def test_three_rounds_are_too_early() -> None:
    known = evidence(b=2.5)
    found = advise(replace(known, points=known.points[:3]), 50)
    assert (found.verdict, found.gain, found.curve) == ("too early", None, None)
    assert found.sentence == ("Too early to say: a curve needs 4 rounds with different numbers of labels, and has 3.")


def test_a_spent_budget_and_an_empty_pool_stop_whatever_the_curve_says() -> None:
    steep = evidence(b=2.5)
    assert advise(replace(steep, budget_left=0), 50).sentence == "Stop: the budget is spent."
    spent = advise(replace(steep, budget_left=0), 50).gain
    assert spent is not None and spent.n_labels == 50, "what stopping costs is still told"
    assert advise(replace(steep, pool_left=0), 50).sentence == "Stop: every clip that may be labelled is."
    assert advise(replace(steep, points=[], budget_left=0), 50).verdict == "stop"


def test_no_more_is_asked_about_than_budget_and_pool_allow() -> None:
    found = advise(replace(evidence(b=2.5), budget_left=30, minutes_per_label=None), 200)
    assert found.gain is not None and (found.gain.n_labels, found.minutes) == (30, None)
    assert "for 30 more labels. The next measurement may show " in found.sentence


def test_a_scheme_of_dimensions_is_told_in_ccc() -> None:
    known = replace(evidence(b=2.5, measure=Measure.CCC), kappas=[], entropies=[])
    found = advise(known, 50)
    assert "of mean CCC" in found.sentence
    assert [one.verdict for one in found.criteria[2:]] == ["cannot say", "cannot say"]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0.2, "less than a minute"), (1.0, "about 1 minute"), (89, "about 89 minutes"), (150, "about 2.5 hours")],
)
def test_the_price_is_rounded_as_people_plan(minutes: float, said: str) -> None:
    found = advise(replace(evidence(b=2.5), minutes_per_label=minutes / 50), 50)
    assert f"{said} of listening" in found.sentence


def test_advice_on_no_label_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        advise(evidence(b=2.5), 0)
