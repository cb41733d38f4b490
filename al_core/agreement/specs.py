"""What describes each estimator of labels, and the rule that routes clips: frozen parameters. Imports no estimator."""

from dataclasses import dataclass
from typing import Literal

from al_core.agreement.answers import AgreementError


@dataclass(frozen=True, slots=True)
class Majority:
    """The class most annotators chose; a tie is a dispute. `dispute_below`: least confidence that makes a label."""

    kind: Literal["majority"] = "majority"
    dispute_below: float = 0.0

    def __post_init__(self) -> None:
        _share("dispute_below", self.dispute_below)


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """One confusion matrix an annotator, by EM (Dawid & Skene 1979).

    Attributes:
        shrinkage: answers' worth of the average annotator's row added to each row of an annotator's matrix; 0 is the
            paper's. Somebody with thirty answers has a matrix of c × (c + 1) numbers to be estimated from them.
        smoothing: answers added to every cell of the average matrix, so that nothing is impossible.
        max_iterations, tolerance: EM ends when no posterior moved by more than `tolerance`.
        dispute_below: least confidence that makes a label.
    """

    kind: Literal["dawid_skene"] = "dawid_skene"
    shrinkage: float = 5.0
    smoothing: float = 0.01
    max_iterations: int = 200
    tolerance: float = 1e-5
    dispute_below: float = 0.0

    def __post_init__(self) -> None:
        _share("dispute_below", self.dispute_below)
        _em(self.smoothing, self.max_iterations, self.tolerance)
        if self.shrinkage < 0:
            raise AgreementError(f"shrinkage is {self.shrinkage}: it must be at least 0")


@dataclass(frozen=True, slots=True)
class Mace:
    """Competence and guessing habits of each annotator, by EM (Hovy et al. 2013).

    Attributes:
        smoothing: answers added to each of an annotator's expected counts, known and guessed.
        max_iterations, tolerance: EM ends when no posterior moved by more than `tolerance`.
        dispute_below: least confidence that makes a label.
    """

    kind: Literal["mace"] = "mace"
    smoothing: float = 0.1
    max_iterations: int = 200
    tolerance: float = 1e-5
    dispute_below: float = 0.0

    def __post_init__(self) -> None:
        _share("dispute_below", self.dispute_below)
        _em(self.smoothing, self.max_iterations, self.tolerance)


Estimator = Majority | DawidSkene | Mace


@dataclass(frozen=True, slots=True)
class EvaluatorWeighted:
    """Ratings weighted by how well each annotator follows the others (Grimm & Kroschel 2005).

    Attributes:
        leave_one_out: correlate with the mean of the *others*. False is the paper, whose mean holds the annotator's own
            rating: with two annotators that alone makes both correlate.
    """

    kind: Literal["evaluator_weighted"] = "evaluator_weighted"
    leave_one_out: bool = True


@dataclass(frozen=True, slots=True)
class Routing:
    """When to stop asking, and what then; see `al_core.agreement.routing` for the formulas.

    Attributes:
        sure: confidence at which a label stands and nobody else is asked.
        limit: most answers a clip gets.
        price: least gain in confidence that pays for one more answer; 0.002 mends a label with 500 answers.
        ruling_price: least chance of mending the label that pays for an adjudication.
        lookahead: how many answers ahead the gain is looked for. One is short-sighted: after two equal answers no
            single third one changes the label.
    """

    sure: float = 0.9
    limit: int = 7
    price: float = 0.002
    ruling_price: float = 0.1
    lookahead: int = 3

    def __post_init__(self) -> None:
        for name in ("sure", "price", "ruling_price"):
            _share(name, getattr(self, name))
        for name in ("limit", "lookahead"):
            if getattr(self, name) < 1:
                raise AgreementError(f"{name} is {getattr(self, name)}: it must be at least 1")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise AgreementError(f"{name} is {value}: it must lie between 0 and 1")


def _em(smoothing: float, max_iterations: int, tolerance: float) -> None:
    if smoothing <= 0:
        raise AgreementError(f"smoothing is {smoothing}: it must be above 0, so that no answer is impossible")
    if max_iterations < 1:
        raise AgreementError(f"max_iterations is {max_iterations}: it must be at least 1")
    if tolerance < 0:
        raise AgreementError(f"tolerance is {tolerance}: it must be at least 0")
