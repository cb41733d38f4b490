"""Optimiser steps: gradients, their norm, float16's scale, the learning rate."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import torch
from torch import nn

from al_core.processes.ranks import Ranks
from al_core.recipe import resolve_learning_rate
from al_core.training.gradients import Gradients, StepOrder
from al_core.training.minibatches import n_steps
from al_core.training.schedule import rate_share
from al_core.training.weights import trainable

GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """What every step of a run shares; only the first process has one.

    Attributes:
        weights: trained, by name.
        optimiser: AdamW.
        scaler: of float16's loss; idle for other types.
        steps: of the whole run.
    """

    gradients: Gradients
    weights: dict[str, nn.Parameter]
    optimiser: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    steps: int

    @classmethod
    def begin(cls, gradients: Gradients) -> Self:
        """Before the first step."""
        recipe, device = gradients.run.recipe, gradients.run.device
        weights = trainable(gradients.network)
        scaler = torch.amp.GradScaler(device.type, enabled=gradients.dtype == torch.float16)
        scaler.scale(torch.zeros((), device=device))  # it makes its factor at first use
        return cls(
            gradients=gradients,
            weights=weights,
            # fused: one pass over the weights, on a CPU too.
            optimiser=torch.optim.AdamW(list(weights.values()), weight_decay=recipe.weight_decay, fused=True),
            scaler=scaler,
            steps=recipe.epochs * n_steps(recipe, len(gradients.run.train)),
        )

    def order(self, step: int, epoch: int, minibatches: list[list[int]]) -> StepOrder:
        """The next step, as every process is told it."""
        return StepOrder(step, epoch, minibatches, self.scaler.get_scale() if self.scaler.is_enabled() else 1.0)

    def step(self, order: StepOrder, ranks: Ranks) -> float:
        """One optimiser step; returns its loss, NaN when it has no finite gradient. Then the weights stay as they were.

        The learning rate is a function of the step, so there is no schedule to keep.
        """
        ranks.share_weights(self.weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.gradients.add(order, ranks)
        if not isfinite(loss):
            return loss
        ranks.add_up(self.weights)
        self.scaler.unscale_(self.optimiser)
        norm = float(nn.utils.clip_grad_norm_(self.weights.values(), GRADIENT_NORM))
        # A scaler leaves out the steps that overflow, and tries them at a smaller scale.
        if not isfinite(norm) and not self.scaler.is_enabled():
            return norm
        rate = resolve_learning_rate(self.gradients.run.recipe) * rate_share(order.step - 1, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss

    def pack(self) -> dict[str, Any]:
        """Tensors, which the next step changes, and plain values."""
        return {"optimiser": self.optimiser.state_dict(), "scaler": self.scaler.state_dict()}

    def unpack(self, packed: dict[str, Any]) -> None:
        """Go on from what `pack` gave."""
        self.optimiser.load_state_dict(packed["optimiser"])
        self.scaler.load_state_dict(packed["scaler"])
