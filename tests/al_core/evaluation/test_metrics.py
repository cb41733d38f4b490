"""Metrics, each against a second, literal implementation."""

import numpy as np
import pytest
from numpy.random import default_rng
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from al_core.evaluation.metrics import MetricError, ccc, confusion, ece, macro_f1, recalls, rmse, uar, wa

SEEDS = pytest.mark.parametrize("seed", range(5))


def answers(seed: int, n: int = 200, c: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = default_rng(seed)
    truth = np.concatenate([np.arange(c), rng.choice(c, n - c, p=rng.dirichlet(np.ones(c)))])
    return truth, np.where(rng.random(n) < 0.6, truth, rng.integers(c, size=n))


@SEEDS
def test_uar_is_the_mean_over_classes_of_the_share_of_their_clips_found(seed: int) -> None:
    truth, predicted = answers(seed)
    found = []
    for k in range(5):
        own = [p for t, p in zip(truth, predicted, strict=True) if t == k]
        found.append(sum(p == k for p in own) / len(own))
    assert uar(truth, predicted, 5) == pytest.approx(sum(found) / 5)
    assert uar(truth, predicted, 5) == pytest.approx(balanced_accuracy_score(truth, predicted))


@SEEDS
def test_wa_is_the_share_of_clips_right(seed: int) -> None:
    truth, predicted = answers(seed)
    assert wa(truth, predicted, 5) == pytest.approx(sum(truth == predicted) / 200)


@SEEDS
def test_macro_f1_is_the_mean_of_harmonic_means_and_not_the_harmonic_mean_of_means(seed: int) -> None:
    truth, predicted = answers(seed)
    values = []
    for k in range(5):
        hits = sum((truth == k) & (predicted == k))
        precision, recall = hits / max(sum(predicted == k), 1), hits / sum(truth == k)
        values.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert macro_f1(truth, predicted, 5) == pytest.approx(sum(values) / 5)
    assert macro_f1(truth, predicted, 5) == pytest.approx(f1_score(truth, predicted, average="macro"))


@SEEDS
def test_confusion_has_labels_as_rows(seed: int) -> None:
    truth, predicted = answers(seed)
    np.testing.assert_array_equal(confusion(truth, predicted, 5), confusion_matrix(truth, predicted))


def test_a_class_of_the_scheme_that_never_occurs_keeps_its_row_and_its_zero() -> None:
    counts = confusion(np.array([0, 1]), np.array([0, 1]), 3)
    assert counts.shape == (3, 3)
    assert np.isnan(recalls(counts)).tolist() == [False, False, True]
    assert macro_f1(np.array([0, 1]), np.array([0, 1]), 3) == pytest.approx(2 / 3)


def test_uar_without_a_clip_of_every_class_is_refused() -> None:
    with pytest.raises(MetricError, match="none of class 2"):
        uar(np.array([0, 1]), np.array([0, 1]), 3)


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([], []), ([0], [0, 1]), ([3], [0]), ([0], [-1])],
    ids=["none", "lengths", "label", "guess"],
)
def test_what_is_no_answer_to_the_scheme_is_refused(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(MetricError):
        confusion(np.array(truth, dtype=np.int64), np.array(predicted, dtype=np.int64), 3)


@SEEDS
def test_ccc_is_lin_s_formula(seed: int) -> None:
    rng = default_rng(seed)
    x = rng.normal(size=50)
    y = 0.5 * x + rng.normal(size=50) + 0.3
    mean_x, mean_y = sum(x) / 50, sum(y) / 50
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / 50
    variances = sum((a - mean_x) ** 2 for a in x) / 50 + sum((b - mean_y) ** 2 for b in y) / 50
    expected = 2 * covariance / (variances + (mean_x - mean_y) ** 2)
    assert ccc(x, y) == pytest.approx(expected)


def test_ccc_of_equal_labels_is_1_of_opposite_ones_minus_1_and_of_a_shift_below_1() -> None:
    x = np.array([-1.0, 0.0, 1.0])
    assert ccc(x, x) == pytest.approx(1)
    assert ccc(x, -x) == pytest.approx(-1)
    assert ccc(x, x + 1) < 1


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([2.0, 2.0], [2.0, 2.0])],
    ids=["one", "uneven", "flat"],
)
def test_ccc_that_does_not_exist_is_refused(truth: list[float], predicted: list[float]) -> None:
    with pytest.raises(MetricError):
        ccc(np.array(truth), np.array(predicted))


def probabilities(seed: int, n: int = 300, c: int = 5) -> np.ndarray:
    """Rows of every sharpness, a certain one and one on a bin's edge among them."""
    rng = default_rng(seed)
    rows = np.exp(rng.uniform(0, 6, (n, 1)) * rng.normal(size=(n, c)))
    rows[0], rows[1] = [1, 0, 0, 0, 0], [6, 3.75, 2.25, 1.5, 1.5]  # 1.0 and 6 / 15
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


@SEEDS
def test_ece_is_the_gap_between_confidence_and_accuracy_averaged_over_15_bins(seed: int) -> None:
    truth, rows = answers(seed, n=300)[0], probabilities(seed)
    total = 0.0
    for m in range(1, 16):
        inside = []
        for label, row in zip(truth, rows, strict=True):
            confidence = float(max(row))
            if (m - 1) / 15 < confidence <= m / 15:
                inside.append((confidence, float(np.argmax(row) == label)))
        if inside:
            confidence = sum(one for one, _ in inside) / len(inside)
            accuracy = sum(right for _, right in inside) / len(inside)
            total += len(inside) / 300 * abs(accuracy - confidence)
    assert ece(truth, rows) == pytest.approx(total, abs=1e-9)


def test_ece_is_0_where_confidence_is_the_share_right_and_1_where_it_is_certain_and_wrong() -> None:
    right_half_the_time = np.tile(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), (10, 1))
    assert ece(np.array([0] * 5 + [1] * 5), right_half_the_time) == pytest.approx(0)
    assert ece(np.array([1, 1]), np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)) == pytest.approx(1)


@SEEDS
def test_rmse_is_the_root_of_the_mean_of_squares(seed: int) -> None:
    rng = default_rng(seed)
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert rmse(x, y) == pytest.approx((sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 50) ** 0.5)


def test_figures_of_nothing_or_of_uneven_lengths_are_refused() -> None:
    with pytest.raises(MetricError):
        rmse(np.array([]), np.array([]))
    with pytest.raises(MetricError):
        rmse(np.array([1.0]), np.array([1.0, 2.0]))
    with pytest.raises(MetricError):
        ece(np.array([], dtype=np.int64), np.zeros((0, 3), dtype=np.float32))
