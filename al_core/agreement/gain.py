"""What one more answer buys: the expected gain in the chance that a clip's label is right, per answer."""

import math
from itertools import combinations_with_replacement

import numpy as np

from al_core.agreement.answers import Floats
from al_core.agreement.listeners import by_unique_rows, leads, log_gamma, log_polya

MOST_OUTCOMES = 250  # vectors of future answers that are gone through; longer looks ahead are left out


def listeners_gain(counts: Floats, alpha: Floats, lookahead: int) -> Floats:
    """(n,) gain where the label is what most listeners would answer.

        gain = max_{m ≤ lookahead} ( E_z[max_k P(k leads | y + z)] − max_k P(k leads | y) ) / m

    over the counts z of m further answers, which follow the Dirichlet-multinomial of α + y. Counts of intensities are
    rounded to half votes first, so that many clips share them.

    Args:
        counts: (n, c + 1) answers so far; a row of zeros is a clip nobody has heard.
        alpha: (c + 1,) from `fit_listeners`.
        lookahead: most further answers looked at.

    Reference: the value of information (Howard 1966), its per-step form over several steps as in Frazier & Powell,
    *Paradoxes in learning and the marginal value of information*, Decision Analysis 7(4), 2010.
    """

    def gain(rows: Floats) -> Floats:
        best = np.full(len(rows), -np.inf)
        now = leads(rows + alpha)[:, :-1].max(axis=1, initial=0.0)
        for m, further in _futures(counts.shape[1], lookahead):
            after = (rows[:, None] + further).reshape(-1, counts.shape[1])
            sure = by_unique_rows(after, lambda states: leads(states + alpha)[:, :-1].max(axis=1))
            chance = np.exp(_log_orders(further) + log_polya(further, (rows + alpha)[:, None]))  # (n, z)
            best = np.maximum(best, ((chance * sure.reshape(chance.shape)).sum(axis=1) - now) / m)
        return best

    return np.maximum(by_unique_rows(np.rint(2 * counts) / 2, gain), 0.0)


def hidden_gain(posterior: Floats, answers: Floats, lookahead: int) -> Floats:
    """(n,) gain where the label is a hidden class.

        gain = max_{m ≤ lookahead} ( Σ_z max_t q_t P(z | t) − max_t q_t ) / m

    over the counts z of m further answers of the average annotator, P(z | t) multinomial.

    Args:
        posterior: (n, c) q.
        answers: (c, c + 1) P(response | class) of the average annotator.
        lookahead: most further answers looked at.
    """
    best = np.zeros(len(posterior))
    now = posterior.max(axis=1)
    for m, further in _futures(answers.shape[1], lookahead):
        chance = np.exp(_log_orders(further)[:, None] + further @ np.log(answers).T)  # (z, c)
        after = sum((posterior * row).max(axis=1) for row in chance)
        best = np.maximum(best, (after - now) / m)
    return best


def _futures(n_responses: int, lookahead: int) -> list[tuple[int, Floats]]:
    """(m, (z, r) vectors of counts of m answers) for each m looked at; one answer ahead is always looked at."""
    looked = [m for m in range(1, lookahead + 1) if m == 1 or math.comb(n_responses + m - 1, m) <= MOST_OUTCOMES]
    return [(m, _vectors(n_responses, m)) for m in looked]


def _vectors(n_responses: int, m: int) -> Floats:
    chosen = combinations_with_replacement(range(n_responses), m)
    return np.array([np.bincount(each, minlength=n_responses) for each in chosen], dtype=np.float64)


def _log_orders(counts: Floats) -> Floats:
    """(z,) log of how many sequences have these counts."""
    orders: Floats = log_gamma(counts.sum(axis=1) + 1) - log_gamma(counts + 1).sum(axis=1)
    return orders
