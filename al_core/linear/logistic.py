"""Multinomial logistic regression on label distributions: the probe, and the start of every trained linear head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from al_core.linear.standardise import Standard
from al_core.targets import Floats, class_weights


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """p(y | x) = softmax(W · (x − μ) / σ + b).

    Attributes:
        mean, scale: (d,) float32, of the standardisation, over the training rows.
        weights: (c, d) float32; zero for classes that never occurred.
        bias: (c,) float32; −∞ for classes that never occurred, whose probability is therefore exactly 0.
    """

    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    def probabilities(self, X: Floats) -> Floats:
        """(n, d) → (n, c) float32, rows summing to 1."""
        logits = ((X - self.mean) / self.scale) @ self.weights.T + self.bias  # (n, c)
        return softmax(logits.astype(np.float64), axis=1).astype(np.float32)


def fit_logistic(
    X: Floats, targets: Floats, c: float, class_weighted: bool, standard: Standard | None = None
) -> Logistic:
    """Standardise, then minimise ½‖W‖² + C · Σ_i Σ_j w_j t_ij (−log p_j(x_i)) by L-BFGS (scikit-learn).

    A row with a soft target counts once for each class it gives weight to; a row of zeros does not count.
    Deterministic.

    Args:
        X: (n, d) embeddings.
        targets: (n, k) distributions in which at least two classes occur.
        c: inverse of the L2 penalty.
        class_weighted: w_j is the inverse class frequency, otherwise 1.
        standard: the standardisation, where it is shared; by default that of X.
    """
    standard = Standard.fit(X) if standard is None else standard
    rows, classes = np.nonzero(targets)
    per_class = class_weights(targets) if class_weighted else np.ones(targets.shape[1], dtype=np.float32)
    # float64: L-BFGS stops early on the flat end of a float32 loss.
    Z = (X.astype(np.float64) - standard.mean) / standard.scale
    # One thread: products this small spend their time waiting for each other, 40 times longer on busy cores.
    with threadpool_limits(1):
        fitted = LogisticRegression(C=c, max_iter=1000).fit(
            Z[rows], classes, sample_weight=(targets * per_class)[rows, classes]
        )
    weights, bias = _over_all_classes(fitted, targets.shape[1])
    return Logistic(standard.mean, standard.scale, weights, bias)


def fit_late(X: Floats, targets: Floats, c: float, class_weighted: bool, standard: Standard, parts: int) -> Logistic:
    """`fit_logistic` on each of `parts` equal blocks of columns, and the mean of their log-odds as one regression.

    softmax(1/s Σ_i (W_i z_i + b_i)) has weights [W_1 … W_s] / s: late fusion costs nothing when it answers.
    """
    columns = np.split(np.arange(X.shape[1]), parts)
    each = [
        fit_logistic(X[:, own], targets, c, class_weighted, Standard(standard.mean[own], standard.scale[own]))
        for own in columns
    ]
    weights = np.concatenate([one.weights for one in each], axis=1) / parts  # (c, d)
    bias = np.stack([one.bias for one in each]).mean(axis=0)  # (c,)
    return Logistic(standard.mean, standard.scale, weights.astype(np.float32), bias.astype(np.float32))


def _over_all_classes(fitted: LogisticRegression, n_classes: int) -> tuple[Floats, Floats]:
    """scikit-learn's coefficients spread over the scheme's classes: (c, d) and (c,)."""
    coef: NDArray[np.float64] = fitted.coef_
    intercept: NDArray[np.float64] = fitted.intercept_
    if len(fitted.classes_) == 2:
        # Two classes come as one row, the log-odds of the second.
        coef, intercept = np.concatenate([0 * coef, coef]), np.concatenate([0 * intercept, intercept])
    weights = np.zeros((n_classes, coef.shape[1]), dtype=np.float32)
    bias = np.full(n_classes, -np.inf, dtype=np.float32)
    weights[fitted.classes_], bias[fitted.classes_] = coef, intercept
    return weights, bias
