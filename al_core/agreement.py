"""Annotations → a label, a distribution, or a dispute; and how far annotators agree at all."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import krippendorff
import numpy as np
from numpy.typing import NDArray

from al_core.scheme import Scheme


class AgreementError(ValueError):
    """Nothing to decide on."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the annotations of one clip amount to.

    Attributes:
        label: the class most annotators chose; None when two or more share the first place: a dispute.
        distribution: (c,) float64, the share of annotations each class received, in the scheme's order.
        n: how many annotations were counted.
    """

    label: str | None
    distribution: NDArray[np.float64]
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
    votes = _votes(answers, scheme)
    first = np.flatnonzero(votes == votes.max())
    label = scheme.classes[first[0]] if len(first) == 1 else None
    return Verdict(label, votes / votes.sum(), len(answers))


def krippendorff_alpha(units: Sequence[Sequence[tuple[Hashable, str]]], scheme: Scheme) -> float | None:
    """Krippendorff's alpha of nominal annotations: 1 is perfect agreement, 0 what chance gives, below 0 worse.

    α = 1 − D_o / D_e, the observed over the expected disagreement of pairable annotations. A unit is one clip's
    (annotator, answer) pairs; of an annotator's several answers to a clip the last one counts, and clips with a
    single answer are not pairable.

    Returns None where alpha is undefined: no clip with two annotators, or one class in all pairable annotations.

    References:
        Krippendorff, Content Analysis: An Introduction to Its Methodology, 4th ed., 2018, chapter 12.

    Raises:
        SchemeError: an answer that is not a class of the scheme.
    """
    counted = [_votes(list(dict(unit).values()), scheme) for unit in units]
    pairable = [votes for votes in counted if votes.sum() >= 2]
    if not pairable or np.count_nonzero(np.sum(pairable, axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=np.stack(pairable), level_of_measurement="nominal"))


def _votes(answers: Sequence[str], scheme: Scheme) -> NDArray[np.int64]:
    """(c,) how often each class was answered."""
    return np.bincount([scheme.index(answer) for answer in answers], minlength=len(scheme)).astype(np.int64)
