"""The inverse power law: what it fits, how sure its gains are, and what it refuses."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from al_core.stopping.learning_curve import CurveError, CurvePoint, fit_learning_curve


def law(n: float, a: float = 0.8, b: float = 1.6, c: float = 0.5) -> float:
    """A true curve: 0.57 at 50 labels, 0.72 at 400."""
    return a - b * n**-c


def noisy(k: int, sigma: float, seed: int) -> list[CurvePoint]:
    """k points 50 labels apart around the true curve, with their true errors."""
    rng = np.random.default_rng(seed)
    return [CurvePoint(n, law(n) + sigma * rng.normal(), sigma) for n in range(50, 50 * k + 1, 50)]


def test_points_on_a_law_give_it_back_and_its_gain_without_doubt() -> None:
    curve = fit_learning_curve([CurvePoint(n, law(n)) for n in (50, 100, 200, 400, 800)])
    gain = curve.gain(200)
    assert curve.ceiling == pytest.approx(0.8, abs=0.01)
    assert curve.exponent == pytest.approx(0.5, abs=0.03)
    assert gain.value == pytest.approx(law(1000) - law(800), abs=2e-4)
    assert gain.high - gain.low < 1e-3
    assert curve.height(800) + gain.value == pytest.approx(curve.height(1000))


@pytest.mark.parametrize("seed", range(3))
def test_no_other_solver_finds_smaller_residuals(seed: int) -> None:
    """scipy's bounded least squares as the referee, from several starts; its bounds are ours."""
    rng = np.random.default_rng(seed)
    n = np.arange(30, 271, 30).astype(float)
    errors = rng.uniform(0.01, 0.05, len(n))
    heights = np.minimum(law(n, a=0.95, b=2.0, c=float(rng.uniform(0.2, 1.5))) + errors * rng.normal(size=len(n)), 1)
    points = [CurvePoint(int(x), float(u), float(e)) for x, u, e in zip(n, heights, errors, strict=True)]
    ours = fit_learning_curve(points, resamples=10)

    def residuals(x: np.ndarray) -> np.ndarray:
        return (heights - x[0] + x[1] * n ** -x[2]) / errors

    starts = [(0.9, 1.0, c) for c in (0.1, 0.5, 1.0, 1.9)]
    bounds = ([-np.inf, 0.0, 0.02], [1.0, np.inf, 2.0])
    best = min(2 * least_squares(residuals, start, bounds=bounds).cost for start in starts)
    found = float((residuals(np.array([ours.ceiling, ours.scale, ours.exponent])) ** 2).sum())
    assert found <= best * 1.005 + 1e-9


def test_a_falling_curve_is_flat_and_a_steep_one_ends_at_one() -> None:
    falling = fit_learning_curve([CurvePoint(n, 0.7 - n / 10_000) for n in (50, 100, 150, 200, 250)])
    assert (falling.scale, falling.gain(50).value) == (0.0, 0.0)
    rising = fit_learning_curve([CurvePoint(n, 0.2 + 0.3 * np.log10(n)) for n in (10, 30, 100, 200, 400)])
    assert rising.ceiling <= 1 and rising.laws[:, 0].max() <= 1


def test_the_interval_holds_the_true_gain_as_often_as_it_says() -> None:
    """95 % of 80 noisy curves of seven points, give or take three standard errors and the bounds' own bias."""
    true = law(400) - law(350)
    gains = [fit_learning_curve(noisy(7, 0.01, seed), resamples=150).gain(50) for seed in range(80)]
    held = np.mean([gain.low <= true <= gain.high for gain in gains])
    assert 0.88 <= held <= 0.995


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_the_wider_interval_holds_what_the_next_measurement_shows(sigma: float) -> None:
    """Also where the scatter is not the usual one: 95 % of 80 curves, give or take three standard errors."""
    held = []
    for seed in range(80):
        *known, new = noisy(8, sigma, seed)
        gain = fit_learning_curve(known, resamples=150).gain(new.n_labels - known[-1].n_labels)
        held.append(gain.seen_low <= new.height - known[-1].height <= gain.seen_high)
        assert gain.seen_high - gain.seen_low > gain.high - gain.low
    assert np.mean(held) >= 0.88


def test_more_rounds_and_less_noise_narrow_the_interval() -> None:
    def width(k: int, sigma: float) -> float:
        gains = [fit_learning_curve(noisy(k, sigma, seed), resamples=200).gain(50) for seed in range(8)]
        return float(np.median([gain.high - gain.low for gain in gains]))

    assert width(12, 0.01) < width(6, 0.01) < width(6, 0.03)


def test_a_point_with_a_small_error_weighs_more() -> None:
    points = [CurvePoint(n, law(n), 0.02) for n in (50, 100, 200, 400)]
    off = CurvePoint(800, law(800) + 0.05, 0.02)
    trusted = fit_learning_curve([*points, CurvePoint(800, off.height, 0.001)]).height(800)
    doubted = fit_learning_curve([*points, CurvePoint(800, off.height, 0.2)]).height(800)
    assert abs(trusted - off.height) < abs(doubted - off.height)
    assert doubted == pytest.approx(law(800), abs=0.01)


def test_the_same_points_give_the_same_interval_and_another_seed_another() -> None:
    points = noisy(6, 0.01, 0)
    first, again, other = (fit_learning_curve(points, seed).gain(50) for seed in (1, 1, 2))
    assert first == again and first != other and first.value == other.value


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ([CurvePoint(n, 0.5) for n in (10, 20, 30)], "needs 4 rounds with different numbers of labels, and has 3"),
        ([CurvePoint(10, 0.5), CurvePoint(10, 0.6), CurvePoint(20, 0.6), CurvePoint(30, 0.6)], "and has 3"),
        ([CurvePoint(n, 0.5) for n in (0, 20, 30, 40)], "has no labels"),
        ([CurvePoint(n, 1.5) for n in (10, 20, 30, 40)], "above 1"),
        ([CurvePoint(n, float("nan")) for n in (10, 20, 30, 40)], "not a number"),
    ],
)
def test_what_cannot_be_fitted_is_refused(points: list[CurvePoint], sentence: str) -> None:
    with pytest.raises(CurveError, match=sentence):
        fit_learning_curve(points)


def test_a_gain_from_no_label_is_refused() -> None:
    with pytest.raises(CurveError, match="at least 1"):
        fit_learning_curve(noisy(5, 0.01, 0)).gain(0)
