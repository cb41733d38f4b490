"""Evaluate predictions on the fixed test split: the figures of a learning-curve point and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_core.metrics import confusion, macro_f1, recalls, wa
from al_core.pool import Floats, Ints
from al_core.scheme import Scheme

CONFIDENCE = 0.95
_COUNTS_AT_ONCE = 4_000_000  # bounds the (resamples, units) counts held: 32 MB


class EvaluationError(ValueError):
    """A test split that cannot be evaluated; the sentence says what it lacks."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one classifier on the test split.

    Attributes:
        uar: mean recall over the scheme's classes.
        uar_low, uar_high: 95 % percentile interval of the bootstrap.
        wa: share of clips right.
        macro_f1: mean F1 over the scheme's classes.
        confusion: rows are labels, columns predictions, in the scheme's order.
        per_class_recall: in the scheme's order.
        n: clips evaluated.
    """

    uar: float
    uar_low: float
    uar_high: float
    wa: float
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]
    per_class_recall: tuple[float, ...]
    n: int


def evaluate(
    probabilities: Floats,
    label_indices: Ints,
    speakers: Sequence[str | None],
    scheme: Scheme,
    seed: int = 0,
    resamples: int = 2000,
) -> Evaluation:
    """Figures with a 95 % interval of the UAR, by resampling *speakers* with replacement.

    Clips of one speaker are not independent, so an interval over clips would be too narrow (Davison & Hinkley,
    *Bootstrap Methods*, 1997, section 3.8). Where a speaker is unknown, or there is only one, clips are resampled.
    A resample may lack a class: its UAR is the mean over the classes it has.

    Args:
        probabilities: (n, c) predictions of the test clips.
        label_indices: (n,) int64 positions in the scheme.
        speakers: n names, None where unknown.
        scheme: whose classes are averaged over.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        EvaluationError: lengths differ, a probability is not finite, or a class of the scheme has no test clip.
    """
    n, c = len(label_indices), len(scheme)
    if probabilities.shape != (n, c) or len(speakers) != n:
        raise EvaluationError(
            f"{probabilities.shape} probabilities, {n} labels and {len(speakers)} speakers do not fit"
        )
    if not np.isfinite(probabilities).all():
        raise EvaluationError("a prediction is NaN or infinite: the classifier is broken, train it again")
    lacking = [name for k, name in enumerate(scheme.classes) if not (label_indices == k).any()]
    if lacking:
        raise EvaluationError(f"the test split has no clip of {', '.join(lacking)}: add test speakers who have them")
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    counts = confusion(label_indices, predicted, c)
    recall = recalls(counts)
    low, high = _interval(label_indices, predicted, _groups(speakers), c, seed, resamples)
    return Evaluation(
        uar=float(recall.mean()),
        uar_low=low,
        uar_high=high,
        wa=wa(label_indices, predicted, c),
        macro_f1=macro_f1(label_indices, predicted, c),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        per_class_recall=tuple(float(value) for value in recall),
        n=n,
    )


def _groups(speakers: Sequence[str | None]) -> Ints:
    """(n,) number of each clip's resampling unit: its speaker, or itself where speakers cannot serve."""
    known = [speaker for speaker in speakers if speaker is not None]
    if len(known) < len(speakers) or len(set(known)) < 2:
        return np.arange(len(speakers), dtype=np.int64)
    return np.unique(known, return_inverse=True)[1].astype(np.int64)


def _interval(truth: Ints, predicted: Ints, groups: Ints, c: int, seed: int, resamples: int) -> tuple[float, float]:
    """Percentile interval of the UAR. Hits and clips a unit and class are enough: no resample touches a clip."""
    n_groups = int(groups.max()) + 1
    clips = np.zeros((n_groups, c))
    hits = np.zeros((n_groups, c))
    np.add.at(clips, (groups, truth), 1)
    np.add.at(hits, (groups, truth), truth == predicted)
    rng = np.random.default_rng(seed)
    uars = np.empty(resamples)
    at_once = max(1, _COUNTS_AT_ONCE // n_groups)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        times = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size)  # (r, groups)
        drawn: NDArray[np.float64] = times @ clips  # (r, c)
        recall = np.where(drawn > 0, (times @ hits) / np.maximum(drawn, 1), np.nan)
        uars[start : start + size] = np.nanmean(recall, axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(uars, [tail, 1 - tail])
    return float(low), float(high)
