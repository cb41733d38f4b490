"""Cohen's kappa of every pair of annotators, of each annotator and of all, with bootstrap intervals over clips."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from al_core.agreement.answers import Choices, Floats, Ints
from al_core.agreement.intervals import Coefficient, percentiles

RESAMPLES = 200
LEAST_COMMON = 10


@dataclass(frozen=True, slots=True)
class PairKappa:
    """Kappa of two annotators over the clips that both answered."""

    first: str
    second: str
    kappa: Coefficient


@dataclass(frozen=True, slots=True)
class Kappas:
    """Kappa of all pairs.

    Attributes:
        pairs: in order of annotators; those with too few common clips, or for which kappa is undefined, are missing.
        mean: plain mean over the pairs; None without any.
        per_annotator: mean over the pairs that hold the annotator.
    """

    pairs: tuple[PairKappa, ...]
    mean: Coefficient | None
    per_annotator: Mapping[str, Coefficient]


def pairwise(
    choices: Choices,
    annotators: tuple[str, ...],
    n_classes: int,
    least_common: int = LEAST_COMMON,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Kappas:
    """κ = (p_o − p_e) / (1 − p_e), p_o the share of equal answers, p_e = Σ_k p_k p′_k what two independent ones share.

    All clips are drawn anew in each resample, so the interval of the mean knows that pairs share clips.

    Args:
        choices: from `al_core.agreement.answers.choices`.
        annotators: keys its positions point to.
        n_classes: c.
        least_common: fewer common clips make no pair.
        resamples, seed: of the bootstrap.

    Reference: Cohen, *A coefficient of agreement for nominal scales*, 1960; the mean over pairs: Light 1971.
    """
    clip, pair, cell = _pair_rows(choices, len(annotators), n_classes)
    found, at, common = np.unique(pair, return_inverse=True, return_counts=True)
    enough = common >= least_common
    kept = enough[at]
    clip, at, cell = clip[kept], (np.cumsum(enough) - 1)[at[kept]], cell[kept]
    found, common = found[enough], common[enough]
    bins = at * n_classes**2 + cell
    values = _kappa(np.bincount(bins, minlength=len(found) * n_classes**2), n_classes)
    sampled = _resampled(clip, bins, len(found), n_classes, resamples, seed)  # (b, pairs)
    defined = np.isfinite(values)
    values, sampled, found, common = values[defined], sampled[:, defined], found[defined], common[defined]
    first, second = found // len(annotators), found % len(annotators)
    each = zip(first, second, values, sampled.T, common, strict=True)
    pairs = tuple(PairKappa(annotators[i], annotators[j], percentiles(k, s, int(n))) for i, j, k, s, n in each)
    n_clips = len(np.unique(clip))
    of = {
        annotators[i]: _mean(values, sampled, (first == i) | (second == i), n_clips)
        for i in np.union1d(first, second).tolist()
    }
    mean = _mean(values, sampled, np.ones(len(values), dtype=bool), n_clips) if len(values) else None
    return Kappas(pairs, mean, of)


def _pair_rows(choices: Choices, n_annotators: int, n_classes: int) -> tuple[Ints, Ints, Ints]:
    """One row for every two answers to a clip: clip, pair of annotators, cell of their c × c table.

    Answers are sorted by clip and annotator, so partners stand 1, 2, … rows apart.
    """
    rows: list[tuple[Ints, Ints, Ints]] = []
    apart = 1
    while True:
        i = np.flatnonzero(choices.clip[apart:] == choices.clip[:-apart])
        if not len(i):
            break
        j = i + apart
        pair = choices.annotator[i] * n_annotators + choices.annotator[j]
        rows.append((choices.clip[i], pair, choices.response[i] * n_classes + choices.response[j]))
        apart += 1
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    clip, pair, cell = (np.concatenate(column) for column in zip(*rows, strict=True))
    return clip, pair, cell


def _kappa(tables: Floats | Ints, n_classes: int) -> Floats:
    """(pairs,) kappas of flattened (pairs · c²) tables; NaN where both always say the same one class, or nothing."""
    square = tables.reshape(-1, n_classes, n_classes).astype(np.float64)
    n = square.sum(axis=(1, 2))
    n_squared = np.maximum(n, 1) ** 2
    observed = np.trace(square, axis1=1, axis2=2) / np.maximum(n, 1)
    expected = (square.sum(axis=1) * square.sum(axis=2)).sum(axis=1) / n_squared
    left = 1 - expected
    defined = (n > 0) & (left > 1e-12)
    kappas: Floats = np.divide(observed - expected, left, out=np.full(len(n), np.nan), where=defined)
    return kappas


def _resampled(clip: Ints, bins: Ints, n_pairs: int, n_classes: int, resamples: int, seed: int) -> Floats:
    rng = default_rng(seed)
    drawn, at = np.unique(clip, return_inverse=True)
    out = np.full((resamples, n_pairs), np.nan)
    for row in out if len(drawn) else ():
        times = np.bincount(rng.integers(0, len(drawn), len(drawn)), minlength=len(drawn)).astype(np.float64)
        row[:] = _kappa(np.bincount(bins, times[at], n_pairs * n_classes**2), n_classes)
    return out


def _mean(values: Floats, sampled: Floats, of: NDArray[np.bool_], n_clips: int) -> Coefficient:
    # A resample in which a pair is undefined has no mean over the same pairs.
    return percentiles(values[of].mean(), sampled[:, of].mean(axis=1), n_clips)
