"""The Dirichlet of listeners against scipy, draws of a million, and counts made from a known one."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import special, stats

from al_core.agreement.listeners import by_unique_rows, fit_listeners, leads, log_gamma, log_polya, over_half

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Cremad

STRENGTHS = pytest.mark.parametrize("strength", [0.5, 2, 20, 400])


def some_alphas(strength: float) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(6), 4) * strength + 1e-3


def test_log_gamma_is_scipy_s() -> None:
    x = np.geomspace(1e-6, 1e5, 2000)
    assert np.allclose(log_gamma(x), special.gammaln(x), rtol=1e-12, atol=1e-9)


@STRENGTHS
def test_the_leader_s_chance_is_what_a_million_draws_say(strength: float) -> None:
    rng = np.random.default_rng(1)
    for alpha, found in zip(some_alphas(strength), leads(some_alphas(strength)), strict=True):
        drawn = rng.standard_gamma(alpha, (500_000, 6)).argmax(axis=1)
        assert np.allclose(found, np.bincount(drawn, minlength=6) / len(drawn), atol=3e-3)
        assert found.sum() == pytest.approx(1)


@STRENGTHS
def test_the_chance_of_more_than_half_is_the_beta_s(strength: float) -> None:
    alpha = some_alphas(strength)
    expected = stats.beta.sf(0.5, alpha, alpha.sum(axis=1, keepdims=True) - alpha)
    assert np.allclose(over_half(alpha), expected, atol=1e-3)


def test_equal_classes_lead_equally_and_a_far_one_always() -> None:
    assert np.allclose(leads(np.full((1, 5), 0.3)), 0.2)
    assert leads(np.array([[300.0, 2.0, 1.0]]))[0, 0] > 0.9999


def test_the_likelihood_of_answers_is_their_chain_of_predictions() -> None:
    alpha, answers = np.array([0.4, 1.2, 0.7]), [1, 1, 0, 2, 1]
    seen, chain = np.zeros(3), 0.0
    for answer in answers:
        chain += math.log((alpha + seen)[answer] / (alpha + seen).sum())
        seen[answer] += 1
    assert log_polya(seen[None], alpha)[0] == pytest.approx(chain)


@pytest.mark.parametrize("strength", [1.0, 3.0, 10.0])
def test_a_known_strength_comes_back(strength: float) -> None:
    rng = np.random.default_rng(2)
    rates = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
    counts = np.array([rng.multinomial(5, p) for p in rng.dirichlet(strength * rates, 3000)])
    alpha = fit_listeners(counts)
    assert alpha.sum() == pytest.approx(strength, rel=0.2)
    assert np.allclose(alpha / alpha.sum(), rates, atol=0.02)


def test_single_answers_leave_the_usual_strength() -> None:
    assert fit_listeners(np.eye(4)[np.arange(200) % 4]).sum() == pytest.approx(2.0, rel=0.1)


def test_a_figure_does_not_change_with_its_neighbours() -> None:
    alpha = np.concatenate([some_alphas(0.5), some_alphas(3), some_alphas(400)])
    for figure in (leads, over_half):
        alone = np.concatenate([figure(row[None]) for row in alpha])
        assert np.array_equal(figure(alpha), alone)


def test_a_leader_is_right_as_often_as_it_says() -> None:
    rng, alpha = np.random.default_rng(0), np.array([0.5, 0.3, 1.2, 0.4])
    shares = rng.dirichlet(alpha, 60_000)
    counts = np.array([rng.multinomial(3, p) for p in shares], dtype=float)
    chances = by_unique_rows(counts, lambda rows: leads(rows + alpha))
    right = chances.argmax(axis=1) == shares.argmax(axis=1)
    for low in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        part = (chances.max(axis=1) >= low) & (chances.max(axis=1) < low + 0.1)
        assert not part.any() or right[part].mean() == pytest.approx(chances.max(axis=1)[part].mean(), abs=0.02)


def test_on_real_votes_a_leader_is_right_at_least_as_often_as_it_says(cremad: "Cremad") -> None:
    """Three votes against all nine or so; the three are among the nine, so a little more often is to be expected."""
    rng = np.random.default_rng(0)
    first = np.array([rng.multivariate_hypergeometric(row, 3) for row in cremad.counts]).astype(float)
    first = np.pad(first, ((0, 0), (0, 1)))
    alpha = fit_listeners(first)
    chances = by_unique_rows(first, lambda rows: leads(rows + alpha))[:, :6]
    label, sure = chances.argmax(axis=1), chances.max(axis=1)
    right = cremad.counts[np.arange(len(label)), label] == cremad.counts.max(axis=1)
    rates = []
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        part = (sure >= low) & (sure < high)
        assert part.sum() > 300
        rates.append(right[part].mean())
        assert sure[part].mean() - 0.03 < rates[-1] < sure[part].mean() + 0.2
    assert rates == sorted(rates)
