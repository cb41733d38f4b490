"""MACE: each annotator either knows the class or guesses from habits of his own."""

from collections.abc import Mapping

import numpy as np

from al_core.agreement.answers import Floats, Votes
from al_core.agreement.hidden import HiddenClasses, beginning, expect
from al_core.agreement.specs import Mace


def fit(votes: Votes, spec: Mace, known: Mapping[int, int]) -> HiddenClasses:
    """EM for P(y_ij = k | t) = θ_j · [k = t] + (1 − θ_j) · ξ_jk, the classes uniform a priori.

    The chance that j knew when he said k to clip i is q_ik · θ_j / (θ_j + (1 − θ_j) ξ_jk); θ_j is the smoothed share of
    answers known, ξ_j the smoothed distribution of the rest, "unclear" included: who knows is never unclear.
    Deterministic: EM starts from the shares of votes, where the paper takes the best of ten random starts.

    Args:
        votes: m rows over n clips and a annotators.
        spec: parameters.
        known: position of a clip → position of its class, for gold clips and rulings.

    Reference: Hovy, Berg-Kirkpatrick, Vaswani & Hovy, *Learning whom to trust with MACE*, NAACL 2013.
    """
    n_classes, n_annotators = len(votes.classes), len(votes.annotators)
    prior = np.full(n_classes, 1 / n_classes)
    posterior, iteration = beginning(votes, known), 0
    theta, habits = np.full(n_annotators, 0.5), np.full((n_annotators, n_classes + 1), 1 / (n_classes + 1))
    while True:
        theta, habits = _maximise(votes, posterior, theta, habits, spec.smoothing)
        confusions = _confusions(theta, habits)
        moved, log_likelihood = expect(votes, prior, confusions, known)
        iteration += 1
        still = np.abs(moved - posterior).max(initial=0.0) <= spec.tolerance
        posterior = moved
        if still or iteration == spec.max_iterations:
            return HiddenClasses(posterior, prior, confusions, theta, log_likelihood, iteration)


def _maximise(
    votes: Votes, posterior: Floats, theta: Floats, habits: Floats, smoothing: float
) -> tuple[Floats, Floats]:
    padded = np.pad(posterior, ((0, 0), (0, 1)))  # nobody knows "unclear"
    says = theta[votes.annotator]
    guess = (1 - says) * habits[votes.annotator, votes.response]
    knew = votes.weight * padded[votes.clip, votes.response] * says / (says + guess)  # (m,)
    width, n_annotators = habits.shape[1], len(theta)
    known = np.bincount(votes.annotator, knew, n_annotators)
    at = votes.annotator * width + votes.response
    guessed = np.bincount(at, votes.weight - knew, n_annotators * width).reshape(n_annotators, width)
    guesses = guessed.sum(axis=1)
    theta = (known + smoothing) / (known + guesses + 2 * smoothing)
    return theta, (guessed + smoothing) / (guesses + width * smoothing)[:, None]


def _confusions(theta: Floats, habits: Floats) -> Floats:
    """(a, c, c + 1): row t is (1 − θ) ξ with θ added at t."""
    n_classes = habits.shape[1] - 1
    rows = np.repeat(((1 - theta)[:, None] * habits)[:, None, :], n_classes, axis=1)
    rows[:, np.arange(n_classes), np.arange(n_classes)] += theta[:, None]
    return rows
