"""Ridge regression on dimensions with missing values: the probe of dimensions, and the start of linear heads."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge as RidgeRegression
from threadpoolctl import threadpool_limits

from al_core.linear.standardise import Standard
from al_core.targets import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """y(x) = W · (x − μ) / σ + b, on the unit scale of each dimension.

    Attributes:
        mean, scale: (d,) float32, of the standardisation.
        weights: (m, d) float32.
        bias: (m,) float32.
    """

    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    def values(self, X: Floats) -> Floats:
        """(n, d) → (n, m) float32 on the unit scale, unclipped."""
        return (((X - self.mean) / self.scale) @ self.weights.T + self.bias).astype(np.float32)


def fit_ridge(X: Floats, unit: Floats, c: float, standard: Standard | None = None) -> Ridge:
    """Standardise, then for every dimension minimise Σ_i (y_i − w · z_i − b)² + (d / 10 C) ‖w‖² in closed form.

    The sum is over the rows whose value is known; b is not penalised. The penalty grows with d because ‖z‖² does:
    with d standardised columns it is the same share of every kernel z · z′. The 10 is ours, and makes the probe's
    default C = 0.1 a penalty of d, that of labels as much noise as signal (Hoerl & Kennard, *Ridge Regression*,
    Technometrics 1970: penalty = noise variance / variance of a weight).

    Args:
        X: (n, d) embeddings.
        unit: (n, m) values on the unit scale, NaN where unknown; at least one known in each column.
        c: inverse of the L2 penalty, as of `fit_logistic`.
        standard: the standardisation, where it is shared; by default that of X.
    """
    standard = Standard.fit(X) if standard is None else standard
    Z = (X.astype(np.float64) - standard.mean) / standard.scale
    weights = np.zeros((unit.shape[1], X.shape[1]), dtype=np.float32)
    bias = np.zeros(unit.shape[1], dtype=np.float32)
    for k, values in enumerate(unit.T):
        known = np.isfinite(values)
        with threadpool_limits(1):
            fitted = RidgeRegression(alpha=X.shape[1] / (10 * c), solver="cholesky").fit(
                Z[known], values[known].astype(np.float64)
            )
        weights[k], bias[k] = fitted.coef_, fitted.intercept_
    return Ridge(standard.mean, standard.scale, weights, bias)
