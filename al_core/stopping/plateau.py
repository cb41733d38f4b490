"""Plateau: stop when the curve has risen less than its own noise over the last rounds.

It is the simplest of the criteria and the most easily fooled: with few test speakers the noise hides a rise for long.
"""

import math
from collections.abc import Sequence

from al_core.stopping.criterion import Criterion
from al_core.stopping.learning_curve import CurvePoint
from al_core.stopping.measure import Measure

WINDOW = 3
NAME = "plateau"


def plateau(points: Sequence[CurvePoint], measure: Measure, window: int = WINDOW) -> Criterion:
    """Stop when u_r − u_(r−k) < √(s_r² + s_(r−k)²).

    The errors s are taken for independent. They are not, as the test clips are the same, so the noise is overestimated
    and the criterion is quick to stop.

    Args:
        points: the curve, oldest first, with standard errors.
        measure: what the heights are.
        window: k, rounds looked back.
    """
    if len(points) <= window:
        return Criterion(NAME, "cannot say", f"{len(points)} rounds are measured: this needs {window + 1}")
    first, last = points[-1 - window], points[-1]
    if first.error is None or last.error is None:
        return Criterion(NAME, "cannot say", "the points of the curve have no interval")
    rise, noise = last.height - first.height, math.hypot(first.error, last.error)
    figures = {"rise": rise, "noise": noise}
    said = f"{measure.signed(rise)} over the last {window} rounds, noise {measure.plain(noise)}"
    if rise < noise:
        return Criterion(NAME, "stop", f"the rise is within noise: {said}", figures)
    return Criterion(NAME, "go on", f"the rise is above noise: {said}", figures)
