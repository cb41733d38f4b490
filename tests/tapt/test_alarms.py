import numpy as np
import pytest

from tapt.alarms import (
    Advice,
    TaptCollapseError,
    TaptNaNError,
    Vitals,
    check_collapse,
    check_finite,
    check_targets,
    perplexity,
    watch,
)

EVEN = np.full(20, 10.0)
ONE = np.eye(20)[3] * 200
ADVICE = Advice(
    trivial="raise objective.units", targets="change objective.layers", predictions="lower learning_rate", rank="stop"
)


def after(steps: int, loss: float, predicted: np.ndarray, vitals: Vitals | None = None) -> Vitals:
    vitals = vitals or Vitals()
    for _ in range(steps):
        vitals = watch(vitals, loss, predicted, EVEN, rank=30.0)
    return vitals


def test_perplexity_counts_equally_used_units() -> None:
    assert perplexity(EVEN) == pytest.approx(20)
    assert perplexity(ONE) == pytest.approx(1)
    assert perplexity(np.zeros(4)) == 0
    assert perplexity(np.stack([EVEN, ONE])) == pytest.approx(10.5)


@pytest.mark.parametrize(("loss", "norm"), [(float("nan"), 1.0), (float("inf"), 1.0), (1.0, float("nan"))])
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run(loss: float, norm: float) -> None:
    with pytest.raises(TaptNaNError, match=r"step 7.*learning_rate"):
        check_finite(7, loss, norm)


def test_targets_of_nearly_one_unit_stop_the_run() -> None:
    with pytest.raises(TaptCollapseError, match=r"perplexity of 1\..*objective\.layers"):
        check_targets(ONE + 0.1, ADVICE)
    with pytest.raises(TaptCollapseError):
        check_targets(np.stack([EVEN, ONE]), ADVICE)
    check_targets(EVEN, ADVICE)


def test_a_healthy_run_goes_on() -> None:
    vitals = after(300, 2.0, EVEN)
    assert vitals == Vitals(300, *map(pytest.approx, (2.0, 20.0, 20.0, 30.0)))
    check_collapse(vitals, ADVICE)


def test_predictions_of_a_single_unit_have_collapsed() -> None:
    with pytest.raises(TaptCollapseError, match=r"use 1\.0 units where its targets use 20\.0; lower learning_rate"):
        check_collapse(after(20, 2.0, ONE), ADVICE)


def test_predictions_that_collapse_late_are_noticed() -> None:
    healthy = after(200, 2.0, EVEN)
    with pytest.raises(TaptCollapseError):
        check_collapse(after(100, 2.0, ONE, healthy), ADVICE)


def test_predictions_of_one_unit_at_a_time_have_collapsed_though_they_use_many_over_time() -> None:
    vitals = Vitals()
    for step in range(60):
        vitals = watch(vitals, 2.0, np.roll(ONE, step), EVEN, 30.0)
    with pytest.raises(TaptCollapseError, match=r"use 1\.0 units"):
        check_collapse(vitals, ADVICE)


def test_poor_targets_allow_poor_predictions() -> None:
    few = np.array([50.0, 30.0, 20.0])
    check_collapse(watch(Vitals(), 0.6, np.array([80.0, 20.0, 0.0]), few, 30.0), ADVICE)


def test_targets_no_richer_than_a_coin_are_a_collapse() -> None:
    coin = np.array([60.0, 40.0, 0.0])
    with pytest.raises(TaptCollapseError, match=r"targets of a minibatch use 2\.0 units"):
        check_collapse(watch(Vitals(), 0.6, coin, coin, 30.0), ADVICE)


def test_a_loss_at_the_floor_is_a_collapse() -> None:
    with pytest.raises(TaptCollapseError, match="trivial"):
        check_collapse(after(60, 0.001, EVEN), ADVICE)


def test_targets_that_collapse_on_the_way_are_noticed() -> None:
    vitals = Vitals()
    for _ in range(60):
        vitals = watch(vitals, 2.0, ONE, ONE, 30.0)
    with pytest.raises(TaptCollapseError, match=r"step 60: the targets of a minibatch use 1\.0 units; change"):
        check_collapse(vitals, ADVICE)


def test_frames_that_all_become_alike_are_noticed() -> None:
    with pytest.raises(TaptCollapseError, match=r"effective rank of 1\.2: they hardly differ; stop"):
        check_collapse(watch(Vitals(), 2.0, EVEN, EVEN, 1.2), ADVICE)
