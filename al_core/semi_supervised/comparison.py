"""What a finish was worth: the figures with it and without, and which classifier is kept. No torch."""

from dataclasses import dataclass
from typing import Literal, Self

Kept = Literal["with", "without"]
MeasuredOn = Literal["dev", "speakers", "clips"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A fine-tuning with its finish against the same one without.

    Attributes:
        finish: its kind.
        kept: the classifier with the higher figure; "without" where they are equal or nothing could be measured.
        measured_on: "dev", or by cross-validation over the "speakers" of the labelled clips, or over the "clips" where
            nobody is known; None where none could.
        uar_with, uar_without: 0 … 1; None where nothing was measured.
        n_believed: unlabelled clips that the finish learnt from.
        why: why nothing was measured, in a sentence; else None.
    """

    finish: str
    kept: Kept
    measured_on: MeasuredOn | None = None
    uar_with: float | None = None
    uar_without: float | None = None
    n_believed: int = 0
    why: str | None = None

    @classmethod
    def of(cls, finish: str, measured_on: MeasuredOn, uar_with: float, uar_without: float, n_believed: int) -> Self:
        """Keep the better one."""
        kept: Kept = "with" if uar_with > uar_without else "without"
        return cls(finish, kept, measured_on, uar_with, uar_without, n_believed)

    @property
    def sentence(self) -> str:
        """Which is kept, and by how much, for an operator."""
        if self.uar_with is None or self.uar_without is None:
            return f"the finish {self.finish} is left out: {self.why}"
        where = "on dev" if self.measured_on == "dev" else f"by cross-validation over the labelled {self.measured_on}"
        verdict = "is kept" if self.kept == "with" else "is left out"
        return (
            f"the finish {self.finish} {verdict}: {where} UAR is {100 * self.uar_with:.1f} with it and "
            f"{100 * self.uar_without:.1f} without ({100 * (self.uar_with - self.uar_without):+.1f}), "
            f"{self.n_believed} unlabelled clips believed"
        )
