"""What a fine-tuning run tells while it goes on."""

from dataclasses import dataclass
from typing import Literal

from al_core.peft.methods import FineTuned
from al_core.semi_supervised.comparison import Comparison


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """Both classifiers of a recipe with a finish.

    Attributes:
        comparison: which of them is kept, and by how much it is better.
        without: the classifier that learnt from labels alone.
        with_finish: the other one; None where there was nothing to believe, or its training diverged.
    """

    comparison: Comparison
    without: FineTuned
    with_finish: FineTuned | None

    @property
    def other(self) -> FineTuned | None:
        """The classifier that is not kept, if there are two."""
        return self.without if self.comparison.kept == "with" else self.with_finish


@dataclass(frozen=True, slots=True)
class StepReport:
    """Progress of a fine-tuning run.

    Attributes:
        stage: "embed" while features are computed, "normalise" when it is decided how, "train" after an optimiser step,
            "done" once, last.
        epoch: from 1; 0 before training. In the last report the epoch whose weights were kept.
        step, steps: done and expected in this stage; early stopping may end before `steps`. In "train" they are
            optimiser steps of the whole run, also where it was resumed.
        loss: the recipe's loss on the step's clips (on all training clips, for the probe); None in "embed".
        dev_uar: mean recall over dev's classes, after each epoch and in the last report (the kept one); None at other
            times, and where dev has no class.
        dev_ccc: mean CCC over dev's dimensions, at the same times; None where dev has no dimension.
        seconds: since the run began, the time before a resumption included.
        n_trainable: weights that are trained.
        classifier: in the last report only.
        warning: something that went wrong and does not stop the run, in a sentence an operator can act on; else None.
        note: what was decided on the way and by which figures, in a sentence; else None.
        finished: in the last report of a recipe with a finish.
    """

    stage: Literal["embed", "normalise", "train", "done"]
    epoch: int
    step: int
    steps: int
    loss: float | None
    dev_uar: float | None
    seconds: float
    n_trainable: int
    classifier: FineTuned | None = None
    dev_ccc: float | None = None
    warning: str | None = None
    note: str | None = None
    finished: Finished | None = None
