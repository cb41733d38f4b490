"""What changes while a run goes on, and its form on disk."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from al_core.peft.network import Network
from al_core.training.descent import Descent
from al_core.training.divergence import Watch
from al_core.training.early_stopping import DevFigures, Kept
from al_core.training.weights import changing, restore, snapshot


@dataclass(slots=True)
class Progress:
    """A run between two steps. Randomness is no part of it: order, dropout and noise are drawn from (seed, step).

    Attributes:
        network: what learns.
        descent: the optimiser and its state.
        kept: the best weights so far.
        step: optimiser steps done.
        loss: of the last step.
        watch: over the losses.
        seconds: time spent.
    """

    network: Network
    descent: Descent
    kept: Kept
    step: int = 0
    loss: float = float("nan")
    watch: Watch = field(default_factory=Watch)
    seconds: float = 0.0

    @classmethod
    def begin(cls, network: Network, descent: Descent, figures: DevFigures) -> Self:
        """Before the first step; `figures` are those of the start on dev."""
        return cls(network, descent, Kept(0, figures, snapshot(network)))

    def keep(self, epoch: int, figures: DevFigures) -> None:
        """Keep the weights as they are, of the end of an epoch."""
        self.kept = Kept(epoch, figures, snapshot(self.network))

    def pack(self) -> dict[str, Any]:
        """Tensors, which the next step changes, and plain values; `unpack` puts them back."""
        return {
            "weights": {name: tensor.detach() for name, tensor in changing(self.network).items()},
            "descent": self.descent.pack(),
            "kept": self.kept.pack(),
            "step": self.step,
            "loss": self.loss,
            "watch": asdict(self.watch),
            "seconds": self.seconds,
        }

    @classmethod
    def unpack(cls, network: Network, descent: Descent, packed: dict[str, Any]) -> Self:
        """Go on from what `pack` gave."""
        restore(network, packed["weights"])
        descent.unpack(packed["descent"])
        return cls(
            network=network,
            descent=descent,
            kept=Kept.unpack(packed["kept"]),
            step=packed["step"],
            loss=packed["loss"],
            watch=Watch(**packed["watch"]),
            seconds=packed["seconds"],
        )
