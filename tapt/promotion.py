"""Promotion: whether an adapted encoder may take the place of the one before, and the sentence that says why."""

from dataclasses import dataclass
from typing import Literal, assert_never

from tapt.paired import Paired

Activate = Literal["always", "if_not_worse", "never"]
Outcome = Literal["not_worse", "worse", "unmeasured"]
Figure = Literal["UAR", "CCC"]


class GuardError(ValueError):
    """A guard that cannot work; the sentence names the field."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How an adapted encoder is judged.

    Attributes:
        activate: put it to use "always", only "if_not_worse" than the encoder before it, or "never".
        margin: how far the mean figure may fall and still count as not worse: 0.01 is one point of UAR.
        seeds: folds the probe is measured on.
        least_labels: with fewer labelled clips nothing is measured.
    """

    activate: Activate = "if_not_worse"
    margin: float = 0.0
    seeds: int = 5
    least_labels: int = 40

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise GuardError(f"margin is {self.margin}: it must be from 0 to below 1; 0.01 is one point of UAR")
        if not 2 <= self.seeds <= 50:
            raise GuardError(f"seeds is {self.seeds}: it must be from 2 to 50")
        if self.least_labels < 2:
            raise GuardError(f"least_labels is {self.least_labels}: it must be at least 2")


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it.

    Attributes:
        outcome: "unmeasured" where no comparison was possible.
        activated: whether the adapted encoder is to be used.
        sentence: both, with the figures, in words.
    """

    outcome: Outcome
    activated: bool
    sentence: str


def judge(guard: Guard, found: Paired | str, figure: Figure = "UAR") -> Judged:
    """The verdict on a comparison; a sentence in its place says why there is none.

    An encoder loses when the mean of its paired differences lies below −margin: the interval is told beside it, and
    decides nothing, since with a few folds it almost always holds both a gain and a loss.
    """
    if isinstance(found, str):
        outcome: Outcome = "unmeasured"
        told = f"not measured: {found}"
    else:
        outcome = "worse" if found.gain < -guard.margin else "not_worse"
        told = describe(found, figure)
    activated = _activates(guard.activate, outcome)
    return Judged(outcome, activated, f"{told}; {_what_follows(guard, outcome, activated)}")


def describe(found: Paired, figure: Figure) -> str:
    """A comparison in words, UAR in per cent.

    >>> describe(Paired(0.712, 0.72, 0.008, -0.004, 0.02, 5), "UAR")
    "the probe's UAR goes from 71.2 to 72.0 %: +0.8 points [-0.4, +2.0], 5 folds"
    """
    if figure == "UAR":
        figures = f"the probe's UAR goes from {100 * found.before:.1f} to {100 * found.after:.1f} %"
        gain, unit, scale, digits = 100 * found.gain, " points", 100.0, 1
    else:
        figures = f"the probe's CCC goes from {found.before:.3f} to {found.after:.3f}"
        gain, unit, scale, digits = found.gain, "", 1.0, 3
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" [{scale * found.low:+.{digits}f}, {scale * found.high:+.{digits}f}]"
    return f"{figures}: {gain:+.{digits}f}{unit}{interval}, {found.n} folds"


def _activates(activate: Activate, outcome: Outcome) -> bool:
    match activate:
        case "always":
            return True
        case "never":
            return False
        case "if_not_worse":
            return outcome == "not_worse"
        case _:
            assert_never(activate)


def _what_follows(guard: Guard, outcome: Outcome, activated: bool) -> str:
    if guard.activate != "if_not_worse":
        asked = "used as asked, whatever it is worth" if activated else "not put to use, as asked"
        return f"the adapted encoder is {asked}"
    margin = f" by more than the margin of {100 * guard.margin:g} points" if guard.margin else ""
    match outcome:
        case "not_worse":
            return "the adapted encoder does not lose and is used"
        case "worse":
            return f"the adapted encoder loses{margin} and is not used"
        case "unmeasured":
            return "the adapted encoder is not used until a comparison shows that it does not lose"
        case _:
            assert_never(outcome)
