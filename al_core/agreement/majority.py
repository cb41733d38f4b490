"""Majority: the class most annotators chose. A tie is a dispute, never a class in between."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from al_core.agreement.answers import AgreementError, Floats, Ints
from al_core.agreement.listeners import by_unique_rows, leads
from al_core.scheme import Scheme

DISPUTED = -1
EQUAL = 1e-9  # sums of intensities that differ by less are the same


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the annotations of one clip amount to.

    Attributes:
        label: the class most annotators chose; None when two or more share the first place: a dispute.
        distribution: (c,) float64, the share of annotations each class received, in the scheme's order.
        n: how many annotations were counted.
    """

    label: str | None
    distribution: Floats
    n: int

    @property
    def disputed(self) -> bool:
        """Whether an adjudicator has to decide."""
        return self.label is None


def aggregate(answers: Sequence[str], scheme: Scheme) -> Verdict:
    """Majority of one clip's annotations, by name; a tie is a dispute, never a class in between.

    Raises:
        AgreementError: no annotations.
        SchemeError: an answer that is not a class of the scheme.
    """
    if not answers:
        raise AgreementError("a clip without annotations has no verdict: annotate it first")
    votes = np.bincount([scheme.index(answer) for answer in answers], minlength=len(scheme)).astype(np.float64)
    first = int(most_voted(votes[None])[0])
    return Verdict(None if first == DISPUTED else scheme.classes[first], votes / votes.sum(), len(answers))


def most_voted(counts: Floats) -> Ints:
    """(n,) int64 position of the one largest entry of each (n, r) row; `DISPUTED` where several share the first place.

    A row without a vote is a dispute.
    """
    first = counts.argmax(axis=1)
    shared = (counts >= counts.max(axis=1, keepdims=True) - EQUAL).sum(axis=1) > 1
    return np.where(shared, DISPUTED, first).astype(np.int64)


def shares(counts: Floats) -> Floats:
    """(n, c) share of each class among the votes of (n, c + 1) counts for a class; uniform where all were unclear."""
    votes = counts[:, :-1]
    total = votes.sum(axis=1, keepdims=True)
    shared: Floats = np.where(total > 0, votes / np.maximum(total, EQUAL), 1 / votes.shape[1])
    return shared


def posterior(counts: Floats, alpha: Floats) -> Floats:
    """(n, c) P(class k is what most listeners would answer | counts); a row sums to 1 less the chance of "unclear"."""
    return by_unique_rows(counts, lambda rows: leads(rows + alpha))[:, :-1]
