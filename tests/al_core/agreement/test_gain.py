"""The value of one more answer against going through every sequence of answers."""

from itertools import product

import numpy as np
import pytest

from al_core.agreement.gain import hidden_gain, listeners_gain
from al_core.agreement.listeners import leads

ALPHA = np.array([0.5, 1.2, 0.3, 0.01])


def literal_listeners_gain(counts: np.ndarray, lookahead: int) -> float:
    now = leads((counts + ALPHA)[None])[0, :-1].max()
    best = -1.0
    for m in range(1, lookahead + 1):
        expected = 0.0
        for sequence in product(range(4), repeat=m):
            state, chance = counts + ALPHA, 1.0
            for answer in sequence:
                chance *= state[answer] / state.sum()
                state = state + np.eye(4)[answer]
            expected += chance * leads(state[None])[0, :-1].max()
        best = max(best, (expected - now) / m)
    return max(best, 0.0)


def literal_hidden_gain(posterior: np.ndarray, answers: np.ndarray, lookahead: int) -> float:
    best = 0.0
    for m in range(1, lookahead + 1):
        expected = 0.0
        for sequence in product(range(answers.shape[1]), repeat=m):
            joint = posterior * np.prod([answers[:, k] for k in sequence], axis=0)
            expected += joint.max()
        best = max(best, (expected - posterior.max()) / m)
    return best


@pytest.mark.parametrize("lookahead", [1, 2, 3])
def test_the_gain_about_listeners_is_that_of_all_sequences(lookahead: int) -> None:
    counts = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [2, 1, 0, 0], [1, 0, 0, 1], [0, 4, 1, 0]], dtype=float)
    expected = [literal_listeners_gain(row, lookahead) for row in counts]
    assert np.allclose(listeners_gain(counts, ALPHA, lookahead), expected, atol=1e-4)


@pytest.mark.parametrize("lookahead", [1, 2, 3])
def test_the_gain_about_a_hidden_class_is_that_of_all_sequences(lookahead: int) -> None:
    rng = np.random.default_rng(0)
    posterior, answers = rng.dirichlet(np.ones(3), 8), rng.dirichlet(np.ones(4), 3)
    expected = [literal_hidden_gain(row, answers, lookahead) for row in posterior]
    assert np.allclose(hidden_gain(posterior, answers, lookahead), expected, atol=1e-9)


def test_two_equal_answers_need_a_look_beyond_the_next_one() -> None:
    counts = np.array([[2.0, 0, 0, 0]])
    assert listeners_gain(counts, np.array([0.6, 0.6, 0.6, 0.01]), 1)[0] == pytest.approx(0, abs=1e-3)
    assert listeners_gain(counts, np.array([0.6, 0.6, 0.6, 0.01]), 3)[0] > 0.005


def test_a_tie_is_worth_asking_about_and_a_clear_lead_is_not() -> None:
    torn, clear = listeners_gain(np.array([[1.0, 1, 0, 0], [6, 0, 0, 0]]), ALPHA, 3)
    assert torn > 0.03 and clear < 1e-3


def test_answers_that_tell_nothing_gain_nothing() -> None:
    assert hidden_gain(np.array([[0.6, 0.4]]), np.full((2, 3), 1 / 3), 3)[0] == pytest.approx(0, abs=1e-9)


def test_a_scheme_of_many_classes_looks_one_answer_ahead() -> None:
    alpha = np.r_[np.full(30, 0.1), 0.01]
    counts = np.zeros((2, 31))
    counts[1, :2] = 1
    assert np.array_equal(listeners_gain(counts, alpha, 5), listeners_gain(counts, alpha, 1))
