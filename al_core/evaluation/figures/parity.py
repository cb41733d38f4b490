"""Gaps between groups: demographic parity, statistical parity and equality of opportunity, class by class.

Every class k is one yes-or-no decision, "recognised as k", and a gap is the largest rate among the groups minus the
smallest. With ŷ the prediction, y the label and g the group:

    demographic parity       P(ŷ = k, y = k | g)   share of the group's clips that are k and recognised as k
    statistical parity       P(ŷ = k | g)          share of the group's clips recognised as k
    equality of opportunity  P(ŷ = k | y = k, g)   share of the group's clips of class k recognised as k: its recall

In most of the literature the first two names mean the second formula (Mehrabi et al., arXiv:1908.09635, definition 3;
`fairlearn` calls it demographic parity difference). PEFT-SER (arXiv:2306.05350) reports both names, and in its code
(usc-sail/peft-ser, experiment/evaluation.py) demographic parity counts hits only; it is followed here. Its demographic
parity is our maximum over classes; its statistical parity and equality of opportunity (Hardt, Price & Srebro,
arXiv:1610.02413), taken from holisticai, are our mean over classes, the same for two groups.

Where groups hold different shares of the classes, the first two are not 0 for a classifier without an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from fairlearn.metrics import demographic_parity_difference, equal_opportunity_difference
from numpy.typing import NDArray

from al_core.evaluation.bootstrap import Doubles, interval, resampled, resampling_units, sums_by_unit
from al_core.pool import Ints
from al_core.scheme import Scheme

Names = NDArray[np.str_]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """One kind of gap between groups.

    Attributes:
        per_class: in the scheme's order; None where fewer than two groups have enough clips of the class.
        maximum: over the classes that have a gap.
        maximum_low, maximum_high: its 95 % percentile interval over speakers. A maximum of differences is never below
            0 and grows with noise: between few speakers it is large for a fair classifier too.
        mean: over the classes that have a gap.
    """

    per_class: tuple[float | None, ...]
    maximum: float
    maximum_low: float
    maximum_high: float
    mean: float


@dataclass(frozen=True, slots=True)
class Gaps:
    """The three kinds; `equal_opportunity` is None where no class is in enough groups."""

    demographic_parity: Gap
    statistical_parity: Gap
    equal_opportunity: Gap | None


def gaps(
    truth: Ints,
    predicted: Ints,
    groups: Names,
    speakers: Sequence[str | None],
    scheme: Scheme,
    min_class_clips: int,
    seed: int,
    resamples: int,
) -> Gaps:
    """The gaps of n clips of at least two groups.

    Args:
        truth, predicted: (n,) int64 positions in the scheme.
        groups: (n,) names.
        speakers: n names, None where unknown.
        scheme: whose classes are compared.
        min_class_clips: clips of a class a group needs for its recall to count.
        seed, resamples: of the bootstrap.
    """
    c = len(scheme.classes)
    names, members = np.unique(groups, return_inverse=True)
    columns = _columns(truth, predicted, members.astype(np.int64), len(names), c)
    counted = columns.sum(axis=0).reshape(len(names), c, 3)[:, :, 1] >= min_class_clips  # (g, c)
    sums = sums_by_unit(resampling_units(speakers), columns)
    drawn = [_maxima(piece.reshape(-1, len(names), c, 3), counted) for piece in resampled(sums, seed, resamples)]
    demographic, statistical, opportunity = zip(*drawn, strict=True)
    shares = _rates(columns.sum(axis=0).reshape(1, len(names), c, 3), counted)[0]
    return Gaps(
        _gap([float(gap) for gap in _spread(shares)[0]], demographic),
        _gap([_selection_gap(predicted == k, groups) for k in range(c)], statistical),
        _opportunity(
            [_recall_gap(truth == k, predicted == k, groups, names[counted[:, k]]) for k in range(c)], opportunity
        ),
    )


def _selection_gap(chosen: Bools, groups: Names) -> float:
    return float(demographic_parity_difference(chosen, chosen, sensitive_features=groups))


def _recall_gap(true: Bools, chosen: Bools, groups: Names, counted: Names) -> float | None:
    if len(counted) < 2:
        return None
    rows = np.isin(groups, counted)
    return float(equal_opportunity_difference(true[rows], chosen[rows], sensitive_features=groups[rows]))


def _opportunity(per_class: list[float | None], drawn: Sequence[Doubles]) -> Gap | None:
    return None if all(gap is None for gap in per_class) else _gap(per_class, drawn)


def _gap(per_class: Sequence[float | None], drawn: Sequence[Doubles]) -> Gap:
    there = [gap for gap in per_class if gap is not None]
    bounds = interval(drawn)
    return Gap(tuple(per_class), max(there), bounds.low, bounds.high, sum(there) / len(there))


def _columns(truth: Ints, predicted: Ints, members: Ints, n_groups: int, c: int) -> Doubles:
    """(n, 3gc) ones and zeros whose sums decide every gap: hits, labels and predictions of a group and class."""
    rows = np.arange(len(truth))
    columns = np.zeros((len(truth), n_groups, c, 3))
    columns[rows, members, truth, 0] = truth == predicted
    columns[rows, members, truth, 1] = 1
    columns[rows, members, predicted, 2] = 1
    return columns.reshape(len(truth), -1)


def _rates(drawn: Doubles, counted: Bools) -> tuple[Doubles, Doubles, Doubles]:
    """(r, g, c, 3) sums → the three rates, (r, g, c) each; NaN where there is nothing to divide by."""
    hits, labels, guesses = drawn[..., 0], drawn[..., 1], drawn[..., 2]
    n = np.broadcast_to(labels.sum(axis=2, keepdims=True), hits.shape)
    return _share(hits, n), _share(guesses, n), np.where(counted, _share(hits, labels), np.nan)


def _maxima(drawn: Doubles, counted: Bools) -> tuple[Doubles, Doubles, Doubles]:
    """(r, g, c, 3) sums → the largest gap over classes of each kind, (r,) each."""
    demographic, statistical, opportunity = (_largest(_spread(rates)) for rates in _rates(drawn, counted))
    return demographic, statistical, opportunity


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _spread(rates: Doubles) -> Doubles:
    """(r, g, c) → (r, c): largest minus smallest over the groups that have a rate; NaN where fewer than two have."""
    there = ~np.isnan(rates)
    spread = np.where(there, rates, -np.inf).max(axis=1) - np.where(there, rates, np.inf).min(axis=1)
    return np.where(there.sum(axis=1) >= 2, spread, np.nan)


def _largest(gaps: Doubles) -> Doubles:
    """(r, c) → (r,): the largest that exists; NaN where none does."""
    return np.where(np.isnan(gaps).all(axis=1), np.nan, np.where(np.isnan(gaps), -np.inf, gaps).max(axis=1))
