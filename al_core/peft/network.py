"""The trained part of an encoder: some of its blocks and a head, on a copy that leaves the caller's encoder alone."""

import copy
from typing import Self

from torch import Tensor, nn

from al_core.encoders import SpeechEncoder
from al_core.heads import CategoricalHead


def frozen_copy(encoder: SpeechEncoder) -> SpeechEncoder:
    """A second encoder over the *same* weights in memory, none of which takes a gradient.

    Whoever trains a weight of the copy gives it storage of its own first.
    """
    shared = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in encoder.parameters()}
    return copy.deepcopy(encoder, dict[int, object](shared))


class UpperBlocks(nn.Module):
    """Blocks start+1 … stop of an encoder, then a head: hidden state `start` → logits.

    Args:
        encoder: a `frozen_copy`; weights that take a gradient are the trained ones.
        start, stop: hidden states, 0 ≤ start < stop ≤ n_layers.
        head: on hidden state `stop`.
    """

    def __init__(self, encoder: SpeechEncoder, start: int, stop: int, head: CategoricalHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.start = start
        self.stop = stop
        self.head = head

    def train(self, mode: bool = True) -> Self:
        """Dropout in the blocks that run here and in the head; what lies below stays in evaluation mode."""
        super().train(False)
        for block in list(self.encoder.blocks)[self.start : self.stop]:
            block.train(mode)
        self.head.train(mode)
        self.training = mode
        return self

    def states(self, hidden: Tensor, frame_mask: Tensor) -> Tensor:
        """Hidden state `stop`: (b, f, d), (b, f) bool → (b, f, d)."""
        return self.encoder.run(hidden, frame_mask, self.start, self.stop)[-1]

    def forward(self, hidden: Tensor, frame_mask: Tensor) -> Tensor:
        """Hidden state `start` (b, f, d) and its mask (b, f) → (b, c) float32 logits."""
        logits: Tensor = self.head(self.states(hidden, frame_mask), frame_mask)
        return logits
