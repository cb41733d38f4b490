"""The other criteria: stabilising predictions, confidence, plateau and expected gain."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from al_core.stopping.confidence import confidence, sureness
from al_core.stopping.expected_gain import expected_gain
from al_core.stopping.learning_curve import CurvePoint, Gain
from al_core.stopping.measure import Measure
from al_core.stopping.plateau import plateau
from al_core.stopping.stabilising import agreement, stabilising


def test_agreement_is_cohens_kappa() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 4, 300)
    after = np.where(rng.random(300) < 0.8, before, rng.integers(0, 4, 300))
    assert agreement(before, after, 4) == pytest.approx(cohen_kappa_score(before, after))
    assert agreement(before, before, 4) == 1


def test_agreement_is_unknown_without_clips_or_without_a_choice() -> None:
    none, same = np.zeros(0, dtype=np.int64), np.ones(9, dtype=np.int64)
    assert agreement(none, none, 4) is None and agreement(same, same, 4) is None
    with pytest.raises(ValueError, match="not of the same clips"):
        agreement(none, same, 4)


@pytest.mark.parametrize(
    ("kappas", "verdict"),
    [([0.999, 1.0], "cannot say"), ([0.5, 0.99, 0.99, 0.995], "stop"), ([0.999, 0.999, 0.999, 0.9], "go on")],
)
def test_predictions_have_settled_when_the_last_three_pairs_agree_on_average(kappas: list[float], verdict: str) -> None:
    assert stabilising(kappas).verdict == verdict


def test_sureness_runs_from_a_certain_to_a_uniform_classifier() -> None:
    certain, uniform = np.eye(4, dtype=np.float32), np.full((3, 4), 0.25, dtype=np.float32)
    sure, unsure = sureness(certain), sureness(uniform)
    assert sure is not None and (sure.confidence, sure.entropy) == (1, 0)
    assert unsure is not None and (unsure.confidence, unsure.entropy) == (0.25, pytest.approx(1))
    assert sureness(certain[:0]) is None and sureness(np.ones((3, 1), dtype=np.float32)) is None


@pytest.mark.parametrize(
    ("entropies", "verdict"),
    [
        ([0.9, 0.7, 0.6], "cannot say"),
        ([0.9, 0.7, 0.6, 0.5, 0.4], "go on"),
        ([0.9, 0.5, 0.6, 0.4, 0.6], "go on"),
        ([0.9, 0.5, 0.6, 0.5, 0.6], "stop"),
    ],
)
def test_confidence_stops_when_uncertainty_has_not_fallen_for_three_rounds(
    entropies: list[float], verdict: str
) -> None:
    assert confidence(entropies).verdict == verdict


def _points(*heights: float, error: float | None = 0.02) -> list[CurvePoint]:
    return [CurvePoint(50 * (k + 1), height, error) for k, height in enumerate(heights)]


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        (_points(0.5, 0.6, 0.7), "cannot say"),
        (_points(0.5, 0.6, 0.7, 0.71, error=None), "cannot say"),
        (_points(0.2, 0.70, 0.71, 0.71, 0.72), "stop"),
        (_points(0.2, 0.60, 0.65, 0.66, 0.70), "go on"),
        (_points(0.2, 0.70, 0.65, 0.66, 0.60), "stop"),
    ],
)
def test_a_plateau_is_a_rise_over_three_rounds_within_noise(points: list[CurvePoint], verdict: str) -> None:
    assert plateau(points, Measure.UAR).verdict == verdict


@pytest.mark.parametrize(
    ("gain", "verdict", "word"),
    [
        (Gain(50, 0.001, 0.0, 0.004, -0.03, 0.05), "stop", "even at its upper bound"),
        (Gain(50, 0.001, 0.0, 0.006, -0.03, 0.05), "go on", "but not at its upper bound"),
        (Gain(50, 0.012, 0.004, 0.02, -0.03, 0.05), "go on", "more than 0.5 UAR points"),
    ],
)
def test_the_upper_bound_of_the_gain_decides(gain: Gain, verdict: str, word: str) -> None:
    found = expected_gain(gain, 0.005, Measure.UAR)
    assert found.verdict == verdict and word in found.sentence


def test_figures_are_written_in_the_measures_own_unit() -> None:
    assert Measure.UAR.signed(-0.0123) == "−1.2 UAR points"
    assert Measure.CCC.signed(0.0123) == "+0.012 of mean CCC"
    assert Measure.UAR.signed(0.0001) == "0.0 UAR points"
