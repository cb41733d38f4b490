"""Stabilising predictions: stop when classifiers of successive rounds say the same about a fixed set of clips.

Bloodgood & Vijay-Shanker, *A Method for Stopping Active Learning Based on Stabilizing Predictions and the Need for
User-Adjustable Stopping*, CoNLL 2009 (arXiv:1409.5165).
"""

from collections.abc import Sequence

import numpy as np

from al_core.pool import Ints
from al_core.stopping.criterion import Criterion

THRESHOLD = 0.99
WINDOW = 3
NAME = "stabilising predictions"


def agreement(before: Ints, after: Ints, n_classes: int) -> float | None:
    """Cohen's kappa of two classifiers' predictions on the same clips.

    Args:
        before: (n,) int64 classes that the earlier one says.
        after: (n,) int64 of the later one.
        n_classes: c; predictions lie in 0 … c − 1.

    Returns:
        (p_o − p_e) / (1 − p_e); None without a clip, and where both say the same one class throughout.

    Raises:
        ValueError: the two do not speak of as many clips.
    """
    if before.shape != after.shape:
        raise ValueError(f"{len(before)} and {len(after)} predictions are not of the same clips")
    if not len(before):
        return None
    observed = float((before == after).mean())
    shares = [np.bincount(said, minlength=n_classes) / len(said) for said in (before, after)]
    expected = float(shares[0] @ shares[1])
    return None if expected > 1 - 1e-12 else (observed - expected) / (1 - expected)


def stabilising(kappas: Sequence[float], threshold: float = THRESHOLD, window: int = WINDOW) -> Criterion:
    """Stop when the mean kappa of the last `window` pairs of successive classifiers reaches the threshold.

    Args:
        kappas: of successive rounds, oldest first.
        threshold: the paper's 0.99.
        window: the paper's 3.
    """
    if len(kappas) < window:
        why = f"{len(kappas)} pairs of successive classifiers are compared: this needs {window}"
        return Criterion(NAME, "cannot say", why)
    mean = float(np.mean(kappas[-window:]))
    figures = {"kappa": mean, "threshold": threshold}
    said = f"kappa of the last {window} pairs of successive classifiers is {mean:.3f} on average"
    if mean >= threshold:
        return Criterion(NAME, "stop", f"{said}: their predictions have settled (from {threshold:g})", figures)
    return Criterion(NAME, "go on", f"{said}: their predictions still change (below {threshold:g})", figures)
