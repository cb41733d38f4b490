"""Logistic regression on label distributions, against scikit-learn's own pipeline."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from al_core.linear.logistic import fit_logistic
from al_core.linear.standardise import Standard


def clusters(n: int, n_classes: int, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    centres = rng.normal(size=(n_classes, d))
    return (5 + 3 * (centres[classes] + rng.normal(size=(n, d)))).astype(np.float32), classes


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("class_weighted", [True, False])
def test_on_labels_it_is_scikit_learn_s_pipeline(n_classes, class_weighted):
    X, classes = clusters(90, n_classes)
    weight = "balanced" if class_weighted else None
    referee = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, class_weight=weight, max_iter=1000))
    expected = referee.fit(X.astype(np.float64), classes).predict_proba(X.astype(np.float64))
    targets = np.eye(n_classes, dtype=np.float32)[classes]
    probabilities = fit_logistic(X, targets, 0.5, class_weighted).probabilities(X)
    np.testing.assert_allclose(probabilities, expected, atol=2e-3)


def test_a_split_label_is_as_two_half_clips():
    X, classes = clusters(60, 3)
    targets = np.eye(3, dtype=np.float32)[classes]
    targets[0] = [0.5, 0.5, 0.0]
    twice = np.repeat(X, 2, axis=0)
    halves = np.repeat(np.eye(3)[classes], 2, axis=0)
    halves[0], halves[1] = [1, 0, 0], [0, 1, 0]
    Z = (twice - X.mean(axis=0)) / X.std(axis=0)
    referee = LogisticRegression(max_iter=1000).fit(Z, halves.argmax(axis=1), sample_weight=np.full(120, 0.5))
    logistic = fit_logistic(X, targets, 1.0, class_weighted=False)
    np.testing.assert_allclose(logistic.probabilities(X), referee.predict_proba(Z)[::2], atol=2e-3)


def test_a_class_without_a_label_has_probability_0_and_the_rest_sum_to_1():
    X, classes = clusters(40, 3)
    targets = np.eye(5, dtype=np.float32)[np.array([0, 2, 4])[classes]]
    probabilities = fit_logistic(X, targets, 1.0, class_weighted=True).probabilities(X)
    np.testing.assert_array_equal(probabilities[:, [1, 3]], 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_constant_column_changes_nothing():
    X, classes = clusters(40, 3)
    targets = np.eye(3, dtype=np.float32)[classes]
    wider = np.concatenate([X, np.full((40, 1), 3.0, dtype=np.float32)], axis=1)
    np.testing.assert_allclose(
        fit_logistic(wider, targets, 1.0, class_weighted=True).probabilities(wider),
        fit_logistic(X, targets, 1.0, class_weighted=True).probabilities(X),
        atol=1e-3,
    )


def test_a_clip_without_a_class_counts_for_nothing_but_the_standardisation():
    X, classes = clusters(40, 3)
    targets = np.eye(3, dtype=np.float32)[classes]
    targets[30:] = 0
    found = fit_logistic(X, targets, 1.0, class_weighted=True)
    without = fit_logistic(X[:30], targets[:30], 1.0, class_weighted=True, standard=Standard.fit(X))
    np.testing.assert_allclose(found.weights, without.weights, atol=1e-6)
    np.testing.assert_array_equal(found.mean, Standard.fit(X).mean)
