"""What changes while a TAPT run goes on, and its form on disk."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from al_core.encoders import SpeechEncoder
from tapt.alarms import Vitals
from tapt.objective import RunningObjective, start_objective
from tapt.randomness import Stream, drawn_from
from tapt.recipe import TaptRecipe
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
        self.objective.restore(packed["objective"])
        self.optimiser.load_state_dict(packed["optimiser"])
        self.vitals = Vitals(**packed["vitals"])


def start_run(recipe: TaptRecipe, encoder: SpeechEncoder) -> RunState:
    """A run before its first step; the objective is not prepared yet."""
    student = Student(encoder, recipe.train_last)
    with drawn_from(recipe.seed, Stream.START, 0, student.device):
        objective = start_objective(recipe, encoder)
    groups = [
        {"params": list(student.parameters().values()), "peak": recipe.learning_rate},
        {"params": objective.parameters(), "peak": recipe.head_learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return RunState(student, objective, optimiser)
