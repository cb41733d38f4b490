"""Alarms: a TAPT run that has gone wrong stops with a named error instead of ruining an encoder quietly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapt.errors import TaptError

Counts = NDArray[np.float64]

LOSS_FLOOR = 0.01  # nats; nobody predicts hidden speech this well unless the targets have become trivial
LEAST_TARGET_PERPLEXITY = 2.0  # targets no richer than a coin hold nothing to learn
LEAST_PREDICTED_PERPLEXITY = 2.0  # poorer predictions have collapsed, unless the targets are hardly richer
LEAST_RANK = 2.0  # frames that span less lie on a line: healthy encoders have ten and more
PATIENCE = 50  # steps after warm-up before collapse is judged: early predictions are poor in every run
_MEMORY = 0.95  # of the running averages: the last ~20 steps


class TaptNaNError(TaptError):
    """The loss or its gradient is NaN or infinite."""


class TaptCollapseError(TaptError):
    """Targets or predictions have become trivial: the run no longer learns anything about speech."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change when an objective collapses: how the alarms' sentences end.

    Attributes:
        trivial: the loss is at its floor.
        targets: nearly every frame has the same target.
        predictions: nearly every frame is predicted the same.
        rank: the encoder's frames hardly differ.
    """

    trivial: str
    targets: str
    predictions: str
    rank: str


@dataclass(frozen=True, slots=True)
class Vitals:
    """Running averages over the last ~20 steps, from which collapse is read.

    The perplexities are averages of each minibatch's own: a head that predicts one unit now and another one in the next
    minibatch has collapsed, though it uses many over time.

    Attributes:
        steps: how many steps they have seen.
        loss: nats.
        predicted, wanted: perplexity of predicted and of target units in a minibatch.
        rank: effective rank of the encoder's frames in a minibatch.
    """

    steps: int = 0
    loss: float = 0.0
    predicted: float = 0.0
    wanted: float = 0.0
    rank: float = 0.0


def perplexity(counts: Counts) -> float:
    """exp of the entropy in nats: the number of equally used units that would be as varied; 0 for no count.

    Args:
        counts: (K,), or (codebooks, K), whose perplexities are averaged.

    >>> perplexity(np.array([5.0, 5.0, 5.0, 5.0]))
    4.0
    >>> perplexity(np.array([[5.0, 5.0], [10.0, 0.0]]))
    1.5
    """
    if counts.ndim == 2:
        return float(np.mean([perplexity(codebook) for codebook in counts]))
    total = counts.sum()
    if total == 0:
        return 0.0
    p = counts[counts > 0] / total
    return round(float(np.exp(-(p * np.log(p)).sum())), 9)


def check_finite(step: int, loss: float, gradient_norm: float) -> None:
    """Before the optimiser moves, so weights already learned stay finite.

    Raises:
        TaptNaNError: loss or gradient norm is NaN or infinite.
    """
    if not (np.isfinite(loss) and np.isfinite(gradient_norm)):
        raise TaptNaNError(
            f"step {step}: the loss is {loss} and its gradient norm {gradient_norm}; "
            "lower learning_rate, or look for clips of silence or noise in the audio"
        )


def check_targets(wanted: Counts, advice: Advice) -> None:
    """Once targets are known: before the first step, and again when they were found anew.

    Args:
        wanted: (K,) or (codebooks, K) counts of the targets of many frames.
        advice: of the objective.

    Raises:
        TaptCollapseError: nearly all frames fell into one unit.
    """
    for codebook in np.atleast_2d(wanted):
        found = perplexity(codebook)
        if found < LEAST_TARGET_PERPLEXITY:
            raise TaptCollapseError(
                f"the {len(codebook)} units have a perplexity of {found:.2f}: nearly every frame has the same target; "
                f"{advice.targets}"
            )


def watch(before: Vitals, loss: float, predicted: Counts, wanted: Counts, rank: float) -> Vitals:
    """The vitals with one more step in them.

    Args:
        before: vitals so far.
        loss: of this step, nats.
        predicted, wanted: (K,) or (codebooks, K) counts of this step's predictions and targets.
        rank: effective rank of the encoder's frames in this step.
    """
    steps = before.steps + 1
    share = max(1 - _MEMORY, 1 / steps)  # a plain average until there are enough steps for a running one
    return Vitals(
        steps=steps,
        loss=before.loss + share * (loss - before.loss),
        predicted=before.predicted + share * (perplexity(predicted) - before.predicted),
        wanted=before.wanted + share * (perplexity(wanted) - before.wanted),
        rank=before.rank + share * (rank - before.rank),
    )


def check_collapse(vitals: Vitals, advice: Advice) -> None:
    """After each step, once the run is `PATIENCE` steps past its warm-up.

    Raises:
        TaptCollapseError: the loss fell under `LOSS_FLOOR`; targets under `LEAST_TARGET_PERPLEXITY`; predictions under
            `LEAST_PREDICTED_PERPLEXITY` where the targets are at least twice as varied; frames under `LEAST_RANK`.
    """
    if vitals.loss < LOSS_FLOOR:
        raise TaptCollapseError(
            f"step {vitals.steps}: the loss fell to {vitals.loss:.4f}, so the targets are trivial to predict; "
            f"{advice.trivial}"
        )
    if vitals.wanted < LEAST_TARGET_PERPLEXITY:
        raise TaptCollapseError(
            f"step {vitals.steps}: the targets of a minibatch use {vitals.wanted:.1f} units; {advice.targets}"
        )
    if vitals.predicted < min(LEAST_PREDICTED_PERPLEXITY, vitals.wanted / 2):
        raise TaptCollapseError(
            f"step {vitals.steps}: predictions of a minibatch use {vitals.predicted:.1f} units where its targets use "
            f"{vitals.wanted:.1f}; {advice.predictions}"
        )
    if vitals.rank < LEAST_RANK:
        raise TaptCollapseError(
            f"step {vitals.steps}: the frames of a minibatch have an effective rank of {vitals.rank:.1f}: they hardly "
            f"differ; {advice.rank}"
        )
