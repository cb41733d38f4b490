"""Dawid–Skene: one confusion matrix an annotator, and the class of each clip, found together."""

from collections.abc import Mapping

import numpy as np

from al_core.agreement.answers import Floats, Votes
from al_core.agreement.hidden import HiddenClasses, beginning, expect, tally
from al_core.agreement.specs import DawidSkene


def fit(votes: Votes, spec: DawidSkene, known: Mapping[int, int]) -> HiddenClasses:
    """EM for P(answers) = Π_i Σ_t ρ_t Π_j π_j(t, y_ij), from the shares of votes.

    M-step, with n_jtk the expected answers k of annotator j to clips of class t, and π̄ the average annotator:

        π̄_tk = (Σ_j n_jtk + smoothing) / Σ_k (…)     π_jtk = (n_jtk + shrinkage · π̄_tk) / Σ_k (…)     ρ_t = mean_i q_it

    With shrinkage and smoothing near 0 it is the paper's. "Unclear" is a response like any other, so it says something
    about the class where annotators find some classes unclear. Deterministic: there is no random start.

    Args:
        votes: m rows over n clips and a annotators.
        spec: parameters.
        known: position of a clip → position of its class, for gold clips and rulings; they teach the matrices.

    Reference: Dawid & Skene, *Maximum likelihood estimation of observer error-rates using the EM algorithm*, Applied
    Statistics 28(1), 1979. The shrinkage towards the average annotator is ours.
    """
    posterior, iteration = beginning(votes, known), 0
    while True:
        prior, confusions = _maximise(votes, posterior, spec)
        moved, log_likelihood = expect(votes, prior, confusions, known)
        iteration += 1
        still = np.abs(moved - posterior).max(initial=0.0) <= spec.tolerance
        posterior = moved
        if still or iteration == spec.max_iterations:
            right = np.diagonal(confusions, axis1=1, axis2=2) @ prior
            return HiddenClasses(posterior, prior, confusions, right, log_likelihood, iteration)


def _maximise(votes: Votes, posterior: Floats, spec: DawidSkene) -> tuple[Floats, Floats]:
    answers = tally(votes, posterior)  # (a, c, c + 1)
    average = answers.sum(axis=0) + spec.smoothing
    average /= average.sum(axis=1, keepdims=True)
    # A row nobody answered in still needs a distribution: the average's, at the weight of the smoothing.
    rows = answers + max(spec.shrinkage, spec.smoothing) * average
    prior = posterior.sum(axis=0) + spec.smoothing
    return prior / prior.sum(), rows / rows.sum(axis=2, keepdims=True)
