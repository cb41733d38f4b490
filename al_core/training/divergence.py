"""When a loss has run away."""

from dataclasses import dataclass
from math import isfinite

TIMES = 20.0
PATIENCE = 20


@dataclass(slots=True)
class Watch:
    """Looks at the loss of every step.

    It has diverged when it is not a number, or when it was above 20 times its start in 20 steps in a row. A head that
    starts as a probe may start near 0, from where every honest loss is far: a start below 1 counts as 1.

    Attributes:
        start: loss of the first step.
        n_high: steps in a row above the limit.
    """

    start: float | None = None
    n_high: int = 0

    def diverged(self, loss: float) -> bool:
        """Look at one more loss."""
        if self.start is None:
            self.start = loss
        self.n_high = self.n_high + 1 if loss > TIMES * max(self.start, 1.0) else 0
        return not isfinite(loss) or self.n_high >= PATIENCE

    def describe(self, loss: float) -> str:
        """What happened, as the beginning of a sentence."""
        if not isfinite(loss):
            return "the loss is not a number"
        high = f"above {TIMES:.0f} times its start ({self.start:.3g})"
        return f"the loss is {loss:.3g} and was {high} for {PATIENCE} steps"
