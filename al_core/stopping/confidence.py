"""Confidence: stop when the classifier no longer becomes surer of the clips that are not labelled.

The figure is overall uncertainty, the mean entropy over the remaining pool (Zhu, Wang, Hovy & Ma, *Confidence-Based
Stopping Criteria for Active Learning for Data Annotation*, ACM TSLP 6(3), 2010). They compare it with a threshold,
which another encoder or recipe would shift; here it is compared with itself over rounds, as Vlachos (*A stopping
criterion for active learning*, Computer Speech & Language 22(3), 2008) does with confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from al_core.pool import Floats
from al_core.stopping.criterion import Criterion

WINDOW = 3
NAME = "confidence"


@dataclass(frozen=True, slots=True)
class Sureness:
    """How sure a classifier is of some clips, as means over them.

    Attributes:
        confidence: probability of the strongest class.
        entropy: in units of ln c, so that 1 is knowing nothing.
    """

    confidence: float
    entropy: float


def sureness(probabilities: Floats) -> Sureness | None:
    """Means over (n, c) probabilities whose rows sum to 1; None without a clip or with fewer than two classes."""
    n, c = probabilities.shape
    if not n or c < 2:
        return None
    shares = probabilities.astype(np.float64)
    bits = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    return Sureness(float(shares.max(axis=1).mean()), float(bits.mean() / np.log(c)))


def confidence(entropies: Sequence[float], window: int = WINDOW) -> Criterion:
    """Stop when none of the last `window` rounds had a lower mean entropy than every round before them.

    Args:
        entropies: mean entropy over the clips not labelled by then, a round each, oldest first.
        window: rounds without a fall.
    """
    if len(entropies) <= window:
        why = f"the uncertainty of {len(entropies)} rounds is known: this needs {window + 1}"
        return Criterion(NAME, "cannot say", why)
    before, lately = min(entropies[:-window]), min(entropies[-window:])
    figures = {"entropy": entropies[-1], "lowest_before": before, "lowest_lately": lately}
    if lately >= before:
        why = f"uncertainty of unlabelled clips has not fallen for {window} rounds: {lately:.3f}, once {before:.3f}"
        return Criterion(NAME, "stop", why, figures)
    why = f"uncertainty of unlabelled clips still falls: {lately:.3f} in the last {window} rounds, {before:.3f} before"
    return Criterion(NAME, "go on", why, figures)
