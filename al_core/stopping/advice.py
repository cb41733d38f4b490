"""The advice: the expected gain decides, the other criteria agree or disagree, and one sentence says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from al_core.stopping.confidence import confidence
from al_core.stopping.criterion import Criterion
from al_core.stopping.expected_gain import NAME as EXPECTED_GAIN
from al_core.stopping.expected_gain import expected_gain
from al_core.stopping.learning_curve import CurveError, CurvePoint, Gain, LearningCurve, fit_learning_curve
from al_core.stopping.measure import Measure
from al_core.stopping.plateau import plateau
from al_core.stopping.stabilising import stabilising

WORTH = 0.005  # half a UAR point
Verdict = Literal["stop", "worth it", "too early"]
Time = Literal["annotators' time", "listening"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known after a round.

    Attributes:
        points: the curve, oldest first.
        measure: what its heights are.
        kappas: between the predictions of successive classifiers, oldest first.
        entropies: mean entropy over the clips not labelled by then, a round each, oldest first.
        minutes_per_label: what a label takes; None where unknown.
        time: what those minutes are: all that annotators spend on a clip, or its audio alone.
        budget_left: labels the budget still allows; None without a budget.
        pool_left: clips that can still be labelled.
    """

    points: Sequence[CurvePoint]
    measure: Measure
    kappas: Sequence[float]
    entropies: Sequence[float]
    minutes_per_label: float | None
    time: Time
    budget_left: int | None
    pool_left: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Whether the next labels are worth it.

    Attributes:
        verdict: "too early" where the curve cannot be fitted yet.
        sentence: for whoever decides.
        gain: predicted for the next labels, with its 95 % interval; None where the curve cannot be fitted.
        minutes: what those labels take; None where unknown.
        worth: the smallest gain that is worth them.
        criteria: every criterion, the deciding one first.
        curve: the law behind the gain; None where it cannot be fitted.
    """

    verdict: Verdict
    sentence: str
    gain: Gain | None
    minutes: float | None
    worth: float
    criteria: tuple[Criterion, ...]
    curve: LearningCurve | None


def advise(evidence: Evidence, n_labels: int, worth: float = WORTH, seed: int = 0) -> Advice:
    """Whether `n_labels` more labels are worth it.

    Stop when the budget is spent, when no clip is left, or when the upper bound of the predicted gain is below `worth`.
    More labels than budget and pool allow are not asked about, unless they allow none: the gain then tells what that
    costs.

    Args:
        evidence: what is known.
        n_labels: the next batch, at least 1.
        worth: smallest gain that is worth it, in units of the height.
        seed: of the bootstrap.

    Raises:
        ValueError: n_labels is below 1.
    """
    if n_labels < 1:
        raise ValueError(f"advice on {n_labels} labels: ask about at least 1")
    left = evidence.pool_left if evidence.budget_left is None else min(evidence.pool_left, evidence.budget_left)
    more = min(n_labels, left) if left > 0 else n_labels
    minutes = None if evidence.minutes_per_label is None else more * evidence.minutes_per_label
    curve, gain, decides = _expect(evidence, more, worth, seed)
    others = (
        plateau(evidence.points, evidence.measure),
        stabilising(evidence.kappas),
        confidence(evidence.entropies),
    )
    verdict: Verdict = "too early" if gain is None else "stop" if decides.verdict == "stop" else "worth it"
    sentence = _sentence(evidence, gain, minutes, worth, decides)
    if left < 1:
        verdict, sentence = "stop", _nothing_left(evidence)
    return Advice(verdict, sentence, gain, minutes, worth, (decides, *others), curve)


def _expect(
    evidence: Evidence, more: int, worth: float, seed: int
) -> tuple[LearningCurve | None, Gain | None, Criterion]:
    try:
        curve = fit_learning_curve(evidence.points, seed)
    except CurveError as error:
        return None, None, Criterion(EXPECTED_GAIN, "cannot say", str(error))
    gain = curve.gain(more)
    return curve, gain, expected_gain(gain, worth, evidence.measure)


def _nothing_left(evidence: Evidence) -> str:
    if evidence.budget_left is not None and evidence.budget_left < 1:
        return "Stop: the budget is spent."
    return "Stop: every clip that may be labelled is."


def _sentence(evidence: Evidence, gain: Gain | None, minutes: float | None, worth: float, decides: Criterion) -> str:
    measure = evidence.measure
    if gain is None:
        return f"Too early to say: {decides.sentence}."
    labels = f"{gain.n_labels:,} more label{'' if gain.n_labels == 1 else 's'}"
    price = labels if minutes is None else f"{labels}, {_duration(minutes)} of {evidence.time}"
    interval = f"95 % interval {measure.sign(gain.low)} to {measure.sign(gain.high)}"
    said = f"about {measure.signed(gain.value)} ({interval}) for {price}"
    seen = f"The next measurement may show {measure.sign(gain.seen_low)} to {measure.sign(gain.seen_high)}."
    if decides.verdict == "stop":
        return f"Stop now: {said}; {measure.figure(worth)} would be worth it. {seen}"
    if gain.value < worth:
        return f"Not clear yet: {said}; {measure.figure(worth)} would be worth it. {seen}"
    return f"Worth it: {said}. {seen}"


def _duration(minutes: float) -> str:
    """Roughly, as nobody plans by seconds."""
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"about {minutes:.0f} minute{'' if round(minutes) == 1 else 's'}"
    return f"about {minutes / 60:.1f} hours"
