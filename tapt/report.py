"""What a TAPT run tells its caller as it goes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class TaptReport:
    """One report of `pretrain`.

    Attributes:
        stage: "targets" while targets are found, before the first step and between two; "train" after each optimiser
            step; "done" last.
        step, steps: clips passed and to pass in "targets"; optimiser steps otherwise.
        loss: nats, of this step; None in "targets".
        accuracy: share of hidden frames whose target was predicted, this step.
        unit_perplexity: exp of the entropy of a minibatch's predicted units, averaged over the last ~20 steps.
        target_perplexity: the same of its targets: units, codebook entries, clusters.
        embedding_rank: effective rank of the encoder's frames, averaged likewise.
        units_used: different units predicted in this step.
        seconds_audio: audio trained on so far, repeats counted, padding not.
        seconds: time spent so far, earlier attempts of a resumed run included up to their last state.
        folder: the finished encoder; None before "done".
    """

    stage: Literal["targets", "train", "done"]
    step: int
    steps: int
    loss: float | None = None
    accuracy: float | None = None
    unit_perplexity: float | None = None
    units_used: int | None = None
    target_perplexity: float | None = None
    embedding_rank: float | None = None
    seconds_audio: float = 0.0
    seconds: float = 0.0
    folder: Path | None = None
