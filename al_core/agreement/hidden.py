"""What Dawid–Skene and MACE share: a hidden class a clip, and answers that depend on it alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from al_core.agreement.answers import Floats, Ints, Votes


@dataclass(frozen=True, slots=True, eq=False)
class HiddenClasses:
    """What EM found.

    Attributes:
        posterior: (n, c) P(class | answers), rows summing to 1.
        prior: (c,) P(class).
        confusions: (a, c, c + 1) P(response | class) of each annotator, "unclear" last.
        competences: (a,) Dawid–Skene: chance of a right answer, Σ_t prior_t · confusion_tt. MACE: θ, chance of knowing.
        log_likelihood: of all answers, under the parameters above.
        n_iterations: run.
    """

    posterior: Floats
    prior: Floats
    confusions: Floats
    competences: Floats
    log_likelihood: float
    n_iterations: int


def beginning(votes: Votes, known: Mapping[int, int]) -> Floats:
    """(n, c) posterior to start EM from: the share of votes, one vote spread evenly over the classes added."""
    n_classes = len(votes.classes)
    counts = votes.counts()[:, :n_classes] + 1 / n_classes
    return clamped(counts / counts.sum(axis=1, keepdims=True), known)


def clamped(posterior: Floats, known: Mapping[int, int]) -> Floats:
    """The posterior with certainty in the clips (position → class) whose class is known."""
    rows: Ints = np.fromiter(known.keys(), np.int64, len(known))
    posterior[rows] = 0
    posterior[rows, np.fromiter(known.values(), np.int64, len(known))] = 1
    return posterior


def expect(votes: Votes, prior: Floats, confusions: Floats, known: Mapping[int, int]) -> tuple[Floats, float]:
    """The E-step: posterior and log-likelihood, log P(t, answers) = log prior_t + Σ_j Σ_k w_jk log confusion_jtk.

    An answer with intensities w enters as Σ_k w_k log confusion_k: one answer in all, split over its classes.
    """
    width = confusions.shape[2]
    tables = np.log(confusions).transpose(1, 0, 2).reshape(len(prior), -1)  # (c, a·(c + 1)), a row fits a cache
    at = votes.annotator * width + votes.response
    joint = np.empty((len(votes.clips), len(prior)))
    for t, table in enumerate(tables):
        joint[:, t] = np.log(prior[t]) + np.bincount(votes.clip, votes.weight * table[at], len(votes.clips))
    top = joint.max(axis=1, keepdims=True, initial=-np.inf)
    posterior = np.exp(joint - top)
    total = posterior.sum(axis=1, keepdims=True)
    log_likelihood = float((top + np.log(total)).sum())
    return clamped(posterior / total, known), log_likelihood


def tally(votes: Votes, posterior: Floats) -> Floats:
    """(a, c, c + 1) expected answers of each annotator by class and response: the counts of the M-step."""
    width, n_annotators = len(votes.classes) + 1, len(votes.annotators)
    at = votes.annotator * width + votes.response
    answers = np.empty((n_annotators, posterior.shape[1], width))
    for t, column in enumerate(np.ascontiguousarray(posterior.T)):
        flat = np.bincount(at, votes.weight * column[votes.clip], n_annotators * width)
        answers[:, t] = flat.reshape(n_annotators, width)
    return answers
