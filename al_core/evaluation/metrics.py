"""Metrics over the *scheme's* classes: UAR, WA, macro F1, confusion, ECE; CCC and RMSE for dimensions."""

import numpy as np
from numpy.typing import NDArray

from al_core.pool import Floats, Ints

ECE_BINS = 15


class MetricError(ValueError):
    """A metric that is not defined on this input; the sentence names why."""


def confusion(truth: Ints, predicted: Ints, n_classes: int) -> Ints:
    """(c, c) counts: row = label, column = prediction, both in the scheme's order.

    Args:
        truth: (n,) positions in the scheme.
        predicted: (n,) positions in the scheme.
        n_classes: c, the length of the scheme, also where a class never occurs.

    Raises:
        MetricError: no clips, lengths differ, or a position outside the scheme.
    """
    if len(truth) != len(predicted) or len(truth) == 0:
        raise MetricError(f"{len(truth)} labels against {len(predicted)} predictions: give as many of both, at least 1")
    if min(truth.min(), predicted.min()) < 0 or max(truth.max(), predicted.max()) >= n_classes:
        raise MetricError(f"a class position lies outside the scheme of {n_classes}")
    counts = np.bincount(truth.astype(np.int64) * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def recalls(counts: Ints) -> NDArray[np.float64]:
    """(c,) recall of each class, hits / clips of it; NaN for a class without clips. `counts` as from `confusion`."""
    clips = counts.sum(axis=1)
    return np.where(clips > 0, np.diag(counts) / np.maximum(clips, 1), np.nan)


def uar(truth: Ints, predicted: Ints, n_classes: int) -> float:
    """Unweighted average recall: (1/c) Σ_k hits_k / clips_k over the scheme's classes; chance is 1/c.

    Reference: Schuller, Steidl & Batliner, *The INTERSPEECH 2009 Emotion Challenge*.

    >>> round(uar(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2), 4)
    0.8333

    Raises:
        MetricError: a class of the scheme has no clip, so its recall does not exist.
    """
    values = recalls(confusion(truth, predicted, n_classes))
    if np.isnan(values).any():
        lacking = ", ".join(str(k) for k in np.flatnonzero(np.isnan(values)))
        raise MetricError(f"UAR needs a clip of every class: none of class {lacking} (positions in the scheme)")
    return float(values.mean())


def wa(truth: Ints, predicted: Ints, n_classes: int) -> float:
    """Weighted accuracy, the share of clips right: Σ_k hits_k / n.

    The name is the field's (INTERSPEECH 2009 Emotion Challenge): recalls weighted by class size.

    >>> wa(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)
    0.75

    Raises:
        MetricError: as `confusion`.
    """
    counts = confusion(truth, predicted, n_classes)
    return float(np.trace(counts) / counts.sum())


def macro_f1(truth: Ints, predicted: Ints, n_classes: int) -> float:
    """Mean over the scheme's classes of F1_k = 2 TP_k / (2 TP_k + FP_k + FN_k), 0 where a class never occurs.

    The mean of F1s, not the F1 of mean precision and recall (Opitz & Burst, arXiv:1911.03347, eq. 𝓕₁).

    >>> round(macro_f1(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2), 4)
    0.7333

    Raises:
        MetricError: as `confusion`.
    """
    counts = confusion(truth, predicted, n_classes)
    both = counts.sum(axis=0) + counts.sum(axis=1)  # 2 TP + FP + FN
    return float(np.where(both > 0, 2 * np.diag(counts) / np.maximum(both, 1), 0).mean())


def ece(truth: Ints, probabilities: Floats) -> float:
    """Expected calibration error over 15 bins of equal width: Σ_m (n_m / n) · |accuracy_m − confidence_m|, 0 to 1.

    A clip's confidence is its highest probability; bin m holds the confidences in ((m − 1) / 15, m / 15].

    References: Naeini, Cooper & Hauskrecht, *Obtaining Well Calibrated Probabilities Using Bayesian Binning*, AAAI
    2015; Guo et al., arXiv:1706.04599, eq. 3 and 15 bins.

    >>> round(ece(np.array([0, 1]), np.array([[0.9, 0.1], [0.7, 0.3]], dtype=np.float32)), 4)
    0.4

    Args:
        truth: (n,) positions in the scheme; of a label distribution, its most likely class.
        probabilities: (n, c), rows summing to 1.

    Raises:
        MetricError: no clips, or lengths differ.
    """
    if len(truth) != len(probabilities) or len(truth) == 0:
        raise MetricError(f"{len(truth)} labels against {len(probabilities)} predictions: give as many of both")
    sums = np.zeros((ECE_BINS, 2))  # hits, confidences
    hits, confidences = probabilities.argmax(axis=1) == truth, probabilities.max(axis=1).astype(np.float64)
    np.add.at(sums, calibration_bins(confidences), np.stack([hits, confidences], axis=1))
    return float(np.abs(sums[:, 0] - sums[:, 1]).sum() / len(truth))


def calibration_bins(confidences: NDArray[np.float64]) -> Ints:
    """(n,) int64: the bin of each confidence, 0 … 14."""
    bins: Ints = np.clip(np.ceil(confidences * ECE_BINS) - 1, 0, ECE_BINS - 1).astype(np.int64)
    return bins


def ccc(truth: Floats, predicted: Floats) -> float:
    """Concordance correlation coefficient of one dimension, in [−1, 1].

    CCC = 2 cov(x, y) / (var x + var y + (mean x − mean y)²), with population moments (divided by n).

    Reference: Lin, *A concordance correlation coefficient to evaluate reproducibility*, Biometrics 1989.

    >>> round(ccc(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 4)
    0.5714

    Args:
        truth: (n,) labels of the dimension.
        predicted: (n,) predictions.

    Raises:
        MetricError: lengths differ, fewer than two clips, or both sides are one same constant (0 / 0).
    """
    x, y = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if len(x) != len(y) or len(x) < 2:
        raise MetricError(f"{len(x)} labels against {len(y)} predictions: CCC needs as many of both, at least 2")
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    if spread == 0:
        raise MetricError("CCC of one constant with itself is 0 / 0: the labels do not vary")
    return float(2 * ((x - x.mean()) * (y - y.mean())).mean() / spread)


def rmse(truth: Floats, predicted: Floats) -> float:
    """Root mean squared error of one dimension, on its own scale: √((1/n) Σ_i (x_i − y_i)²).

    >>> rmse(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 8.0]))
    2.0

    Args:
        truth: (n,) labels of the dimension.
        predicted: (n,) predictions.

    Raises:
        MetricError: lengths differ, or there are no clips.
    """
    x, y = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if len(x) != len(y) or len(x) == 0:
        raise MetricError(f"{len(x)} labels against {len(y)} predictions: RMSE needs as many of both, at least 1")
    return float(np.sqrt(((x - y) ** 2).mean()))
