"""Expected gain: stop when the next labels are unlikely to bring what makes them worth their price.

Stopping by comparing what a label brings with what it costs is the view of user-adjustable stopping in Bloodgood &
Vijay-Shanker, CoNLL 2009 (arXiv:1409.5165): what is worth it is the operator's to say.
"""

from al_core.stopping.criterion import Criterion
from al_core.stopping.learning_curve import Gain
from al_core.stopping.measure import Measure

NAME = "expected gain"


def expected_gain(gain: Gain, worth: float, measure: Measure) -> Criterion:
    """Stop when the upper bound of the gain's 95 % interval is below `worth`.

    The upper bound and not the middle: stopping cannot be tried out, and one more batch can.

    Args:
        gain: predicted for the next labels.
        worth: smallest gain that is worth them, in units of the height.
        measure: what the height is.
    """
    figures = {"gain": gain.value, "low": gain.low, "high": gain.high, "worth": worth, "labels": float(gain.n_labels)}
    said = (
        f"{gain.n_labels} more labels bring {measure.signed(gain.value)} "
        f"(95 % interval {measure.sign(gain.low)} to {measure.sign(gain.high)})"
    )
    if gain.high < worth:
        return Criterion(NAME, "stop", f"{said}: less than {measure.plain(worth)}, even at its upper bound", figures)
    if gain.value < worth:
        return Criterion(
            NAME, "go on", f"{said}: likely less than {measure.plain(worth)}, but not at its upper bound", figures
        )
    return Criterion(NAME, "go on", f"{said}: more than {measure.plain(worth)}", figures)
