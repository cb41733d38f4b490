"""What changes while a TAPT run goes on, and its form on disk."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.precision import compute_dtype
from tapt.alarms import Vitals
from tapt.objective import RunningObjective, start_objective
from tapt.randomness import Stream, drawn_from
from tapt.recipe import LocalAttributes, TaptRecipe
from tapt.student import Student


@dataclass(slots=True)
class RunState:
    """A run between two steps. Randomness is no part of it: each step draws its own from (seed, step).

    Attributes:
        student: the encoder that learns.
        objective: with its own new parameters and targets.
        optimiser: two groups, the student's parameters and the objective's, each with its `peak` learning rate.
        vitals: running averages the alarms read.
        step: optimiser steps done.
        losses: of every step, nats.
        units_used: units predicted in the last minibatch.
        seconds_audio: audio trained on, repeats counted.
        seconds: time spent.
    """

    student: Student
    objective: RunningObjective
    optimiser: torch.optim.AdamW
    vitals: Vitals = field(default_factory=Vitals)
    step: int = 0
    losses: list[float] = field(default_factory=list)
    units_used: int = 0
    seconds_audio: float = 0.0
    seconds: float = 0.0

    def learning(self, step: int) -> dict[str, nn.Parameter]:
        """What the optimiser moves in a step, by name."""
        student = self.student.parameters() if self.objective.moves_encoder(step) else {}
        new = {f"objective.{i}": parameter for i, parameter in enumerate(self.objective.parameters())}
        return {**student, **new}

    def pack(self) -> dict[str, Any]:
        """Tensors and plain values; `unpack` puts them back."""
        return {
            "step": self.step,
            "losses": self.losses,
            "units_used": self.units_used,
            "seconds_audio": self.seconds_audio,
            "seconds": self.seconds,
            "student": self.student.state(),
            "objective": self.objective.state(),
            "optimiser": self.optimiser.state_dict(),
            "vitals": asdict(self.vitals),
        }

    def unpack(self, packed: dict[str, Any]) -> None:
        """Go on from what `pack` gave."""
        self.step = packed["step"]
        self.losses = list(packed["losses"])
        self.units_used = packed["units_used"]
        self.seconds_audio = packed["seconds_audio"]
        self.seconds = packed["seconds"]
        self.student.restore(packed["student"])
        self.objective.restore(packed["objective"], self.student)
        self.optimiser.load_state_dict(packed["optimiser"])
        self.vitals = Vitals(**packed["vitals"])


def start_run(recipe: TaptRecipe, encoder: SpeechEncoder, clips: Sequence[Clip], folder: Path) -> RunState:
    """A run before its first step; the objective is not prepared yet.

    Args:
        recipe: of the run.
        encoder: the starting encoder.
        clips: all clips of the run, in an order that does not change.
        folder: of the run.
    """
    device = next(encoder.parameters()).device
    with drawn_from(recipe.seed, Stream.START, 0, device):
        objective = start_objective(recipe, encoder, clips, folder)
        frozen = isinstance(recipe.objective, LocalAttributes)
        student = Student(encoder, None if frozen else recipe.scope, compute_dtype(recipe.precision, device))
    groups = [
        {"params": list(student.parameters().values()), "peak": recipe.learning_rate},
        {"params": objective.parameters(), "peak": _head_learning_rate(recipe)},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return RunState(student, objective, optimiser)


def _head_learning_rate(recipe: TaptRecipe) -> float:
    chosen = recipe.objective
    return chosen.learning_rate if isinstance(chosen, LocalAttributes) else recipe.head_learning_rate
