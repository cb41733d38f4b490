"""UAR and WA of one group of speakers, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from al_core.evaluation.bootstrap import Doubles, interval, resampled, resampling_units, sums_by_unit
from al_core.pool import Ints
from al_core.scheme import Scheme


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Figures of one group; `low` and `high` bound the 95 % percentile interval of the bootstrap over its speakers.

    Attributes:
        name: of the group.
        n: its clips.
        uar: mean recall over the classes it has.
        wa: share of its clips right.
        lacks: classes of which it has no clip.
    """

    name: str
    n: int
    uar: float
    uar_low: float
    uar_high: float
    wa: float
    wa_low: float
    wa_high: float
    lacks: tuple[str, ...]


def group_figures(
    name: str,
    truth: Ints,
    predicted: Ints,
    members: NDArray[np.bool_],
    speakers: Sequence[str | None],
    scheme: Scheme,
    seed: int,
    resamples: int,
) -> GroupFigures:
    """Figures of the clips that belong to the group.

    Args:
        name: of the group.
        truth, predicted: (n,) int64 positions in the scheme.
        members: (n,) which of them belong; at least one.
        speakers: n names, None where unknown.
        scheme: whose classes are averaged over.
        seed, resamples: of the bootstrap.
    """
    truth, predicted, speakers = truth[members], predicted[members], list(compress(speakers, members))
    n, c = len(truth), len(scheme.classes)
    columns = np.zeros((n, 2 * c))  # hits, labels a class
    columns[np.arange(n), truth] = truth == predicted
    columns[np.arange(n), c + truth] = 1
    sums = sums_by_unit(resampling_units(speakers), columns)
    drawn = [_figures(piece, c) for piece in resampled(sums, seed, resamples)]
    uar, wa = (interval(figure) for figure in zip(*drawn, strict=True))
    whole = [float(figure[0]) for figure in _figures(columns.sum(axis=0, keepdims=True), c)]
    lacks = tuple(one for k, one in enumerate(scheme.classes) if not (truth == k).any())
    return GroupFigures(name, n, whole[0], uar.low, uar.high, whole[1], wa.low, wa.high, lacks)


def _figures(drawn: Doubles, c: int) -> tuple[Doubles, Doubles]:
    """(r, 2c) sums → UAR over the classes there are, and WA, (r,) each."""
    hits, labels = drawn[:, :c], drawn[:, c:]
    recall = np.where(labels > 0, hits / np.maximum(labels, 1), np.nan)
    return np.nanmean(recall, axis=1), hits.sum(axis=1) / labels.sum(axis=1)
