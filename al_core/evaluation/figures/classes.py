"""UAR, WA, macro F1 and ECE with intervals over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from al_core.evaluation.bootstrap import Doubles, interval, resampled, resampling_units, sums_by_unit
from al_core.evaluation.metrics import ECE_BINS, calibration_bins, confusion, ece, macro_f1, recalls, wa
from al_core.pool import Floats, Ints


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of the classes; `low` and `high` bound the 95 % percentile interval of the bootstrap.

    Attributes:
        uar: mean recall over the scheme's classes.
        wa: share of clips right.
        macro_f1: mean F1 over the scheme's classes.
        ece: expected calibration error, 15 bins.
        confusion: rows are labels, columns predictions, in the scheme's order.
        per_class_recall: in the scheme's order.
    """

    uar: float
    uar_low: float
    uar_high: float
    wa: float
    wa_low: float
    wa_high: float
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    ece: float
    ece_low: float
    ece_high: float
    confusion: tuple[tuple[int, ...], ...]
    per_class_recall: tuple[float, ...]


def class_figures(
    probabilities: Floats, truth: Ints, speakers: Sequence[str | None], seed: int, resamples: int
) -> ClassFigures:
    """Figures of n clips that hold every class.

    A resample may lack a class: UAR and macro F1 are then the means over the classes it has.

    Args:
        probabilities: (n, c) predictions.
        truth: (n,) int64 positions in the scheme.
        speakers: n names, None where unknown.
        seed, resamples: of the bootstrap.
    """
    c = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    sums = sums_by_unit(resampling_units(speakers), _columns(probabilities, predicted, truth))
    drawn = [_figures(piece, c) for piece in resampled(sums, seed, resamples)]  # four (r,) each
    uar, accuracy, f1, calibration = (interval(figure) for figure in zip(*drawn, strict=True))
    counts = confusion(truth, predicted, c)
    recall = recalls(counts)
    return ClassFigures(
        uar=float(recall.mean()),
        uar_low=uar.low,
        uar_high=uar.high,
        wa=wa(truth, predicted, c),
        wa_low=accuracy.low,
        wa_high=accuracy.high,
        macro_f1=macro_f1(truth, predicted, c),
        macro_f1_low=f1.low,
        macro_f1_high=f1.high,
        ece=ece(truth, probabilities),
        ece_low=calibration.low,
        ece_high=calibration.high,
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        per_class_recall=tuple(float(value) for value in recall),
    )


def _columns(probabilities: Floats, predicted: Ints, truth: Ints) -> Doubles:
    """(n, 3c + 15) whose sums decide every figure: hits, labels and predictions a class, hits − confidence a bin."""
    n, c = probabilities.shape
    rows, hits = np.arange(n), predicted == truth
    columns = np.zeros((n, 3 * c + ECE_BINS))
    columns[rows, truth] = hits
    columns[rows, c + truth] = 1
    columns[rows, 2 * c + predicted] = 1
    confidences = probabilities.max(axis=1).astype(np.float64)
    columns[rows, 3 * c + calibration_bins(confidences)] = hits - confidences
    return columns


def _figures(drawn: Doubles, c: int) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """(r, 3c + 15) sums → UAR, WA, macro F1 and ECE of each resample, (r,) each."""
    hits, labels, guesses = drawn[:, :c], drawn[:, c : 2 * c], drawn[:, 2 * c : 3 * c]
    n = labels.sum(axis=1)
    recall = np.where(labels > 0, hits / np.maximum(labels, 1), np.nan)
    both = labels + guesses
    f1 = np.where(both > 0, 2 * hits / np.maximum(both, 1), np.nan)
    calibration = np.abs(drawn[:, 3 * c :]).sum(axis=1) / n
    return np.nanmean(recall, axis=1), hits.sum(axis=1) / n, np.nanmean(f1, axis=1), calibration
