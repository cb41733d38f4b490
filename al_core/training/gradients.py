"""From positions of training clips to gradients: what every process of a run does in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from al_core.heads import Outputs
from al_core.losses import training_loss
from al_core.noise import augmented
from al_core.peft.frames import Frames
from al_core.peft.network import Network
from al_core.precision import autocast, compute_dtype
from al_core.processes.ranks import Ranks
from al_core.targets import to_unit
from al_core.training.randomness import seeded
from al_core.training.run import Run


@dataclass(frozen=True, slots=True)
class StepOrder:
    """One optimiser step, as every process is told it.

    Attributes:
        step: from 1, over the whole run: dropout is drawn from it.
        epoch: from 1: noise is drawn from it.
        minibatches: positions of training clips.
        scale: of the loss, so that float16 gradients do not vanish; 1 elsewhere.
    """

    step: int
    epoch: int
    minibatches: Sequence[Sequence[int]]
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """A network and its training clips.

    Attributes:
        targets: (n, c) float32, times their clips' weights.
        dimensions: (n, m) float32 on the unit scale, NaN where unknown; None without dimensions.
        class_weights: (c,) float32.
        dtype: of the matrix products.
    """

    run: Run
    network: Network
    frames: Frames
    targets: Tensor
    dimensions: Tensor | None
    class_weights: Tensor
    dtype: torch.dtype

    @classmethod
    def of(cls, run: Run, network: Network, frames: Frames) -> Self:
        """Everything on the run's device."""
        train, device = run.train, run.device
        network.eval()  # a module that was just built says it trains, whatever its blocks do
        unit = None if train.dimensions is None else torch.from_numpy(to_unit(train.dimensions, run.scheme)).to(device)
        return cls(
            run=run,
            network=network,
            frames=frames,
            targets=torch.from_numpy(train.mass).to(device),
            dimensions=unit,
            class_weights=torch.from_numpy(run.class_weights()).to(device),
            dtype=compute_dtype(run.recipe.precision, device),
        )

    def add(self, order: StepOrder, ranks: Ranks) -> float:
        """Add a step's gradients to the network's weights; returns its loss.

        The loss of a step is the mean over its minibatches, each weighed by its clips. A loss that is a mean over clips
        (cross-entropy, focal) is then the same as on one large minibatch; CCC is not a mean over clips: it stays the
        CCC of each minibatch, which is nearer to 0 in a small one.

        A loss that is not finite adds nothing and is returned at once.
        """
        if not self.network.training:  # dev was predicted; walking a large network costs milliseconds
            self.network.train()
        n = sum(map(len, order.minibatches))
        total = 0.0
        for part, positions in enumerate(order.minibatches):
            loss = self._loss(order, part, positions, ranks)
            share = len(positions) / n
            total += share * float(loss.detach())
            if not bool(loss.isfinite()):
                return total
            if loss.requires_grad:  # a process without a clip of a small minibatch has nothing to add
                scaled: Any = loss * (share * order.scale)  # torch's own backward is untyped
                scaled.backward()
        return total

    def _loss(self, order: StepOrder, part: int, positions: Sequence[int], ranks: Ranks) -> Tensor:
        """The loss of a whole minibatch, of which this process computes its own clips."""
        shares = ranks.shares(positions)
        own = shares[ranks.rank]
        outputs = self._outputs(order, part, own, ranks.rank) if own else self._nothing()
        rows = ranks.gathered(torch.cat([outputs.logits, outputs.dimensions], dim=1), [len(share) for share in shares])
        n_classes = outputs.logits.shape[1]
        outputs = Outputs(rows[:, :n_classes], rows[:, n_classes:])  # (b, c), (b, m)
        in_order = [position for share in shares for position in share]
        return training_loss(
            self.run.recipe,
            outputs,
            self.targets[in_order],
            None if self.dimensions is None else self.dimensions[in_order],
            self.class_weights,
        )

    def _outputs(self, order: StepOrder, part: int, positions: Sequence[int], rank: int) -> Outputs:
        recipe, device = self.run.recipe, self.run.device
        clips = [self.run.train.clips[i] for i in positions]
        if recipe.augment is not None:
            clips = list(augmented(clips, recipe.augment, recipe.seed, order.epoch))
        with seeded(device, recipe.seed, order.step, part, rank), autocast(self.dtype, device):
            hidden, frame_mask = self.frames.read(clips)
            outputs: Outputs = self.network(hidden, frame_mask)
        return outputs

    def _nothing(self) -> Outputs:
        device = self.run.device
        return Outputs(
            torch.zeros(0, len(self.run.scheme.classes), device=device),
            torch.zeros(0, len(self.run.scheme.dimensions), device=device),
        )
