"""Ridge regression on dimensions with missing values, against the normal equations written out."""

import numpy as np
import pytest

from al_core.linear.ridge import fit_ridge
from al_core.linear.standardise import Standard


def lines(n: int = 80, d: int = 12, m: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings far from standard, and noisy linear values of them on the unit scale."""
    rng = np.random.default_rng(seed)
    X = 5 + 3 * rng.normal(size=(n, d))
    unit = 0.5 + 0.03 * (X - 5) @ rng.normal(size=(d, m)) + 0.05 * rng.normal(size=(n, m))
    return X.astype(np.float32), unit.astype(np.float32)


@pytest.mark.parametrize("c", [0.01, 0.1, 10.0])
@pytest.mark.parametrize(("n", "d"), [(80, 12), (20, 60)])
def test_it_solves_the_normal_equations_with_a_penalty_of_d_over_10_c(c, n, d):
    X, unit = lines(n, d)
    unit[3:9, 1] = np.nan
    found = fit_ridge(X, unit, c)
    Z = (X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)) / X.std(axis=0, dtype=np.float64)
    for k in range(3):
        rows = [i for i in range(n) if not np.isnan(unit[i, k])]
        A = np.concatenate([Z[rows], np.ones((len(rows), 1))], axis=1)
        penalty = np.diag([d / (10 * c)] * d + [0.0])
        solution = np.linalg.solve(A.T @ A + penalty, A.T @ unit[rows, k].astype(np.float64))
        np.testing.assert_allclose(found.weights[k], solution[:-1], atol=1e-5)
        assert found.bias[k] == pytest.approx(solution[-1], abs=1e-5)
        np.testing.assert_allclose(found.values(X)[:, k], Z @ solution[:-1] + solution[-1], atol=1e-4)


def test_a_missing_value_changes_nothing_about_another_dimension():
    X, unit = lines()
    holes = unit.copy()
    holes[5:40, 2] = np.nan
    whole, missing = fit_ridge(X, unit, 0.1), fit_ridge(X, holes, 0.1)
    np.testing.assert_array_equal(missing.weights[:2], whole.weights[:2])
    assert not np.allclose(missing.weights[2], whole.weights[2])


def test_a_shared_standardisation_is_kept():
    X, unit = lines()
    standard = Standard.fit(2 * X)
    found = fit_ridge(X, unit, 0.1, standard)
    np.testing.assert_array_equal(found.mean, standard.mean)
    np.testing.assert_array_equal(found.scale, standard.scale)


def test_a_constant_column_of_embeddings_is_no_reason_for_infinite_weights():
    X, unit = lines()
    wider = np.concatenate([X, np.full((80, 1), 3.0, dtype=np.float32)], axis=1)
    assert np.isfinite(fit_ridge(wider, unit, 0.1).weights).all()
