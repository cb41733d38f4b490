"""Why a fine-tuning run does not begin, or stops."""

from al_core.peft.methods import FineTuned
from al_core.training.report import StepReport


class TrainError(ValueError):
    """Training that cannot begin or go on; the sentence says why and what to do."""


class TrainResumeError(TrainError):
    """A folder holds the state of another run; the sentence says what differs."""


class DivergedError(TrainError):
    """The loss stopped being a number, or ran away.

    Attributes:
        last: the report the run would have ended with: the last good epoch, its dev figures and its classifier; its
            `loss` is the one that diverged.
        classifier: that report's.
    """

    def __init__(self, sentence: str, last: StepReport) -> None:
        super().__init__(sentence)
        assert last.classifier is not None, "the last good weights make a classifier"
        self.last = last
        self.classifier: FineTuned = last.classifier
