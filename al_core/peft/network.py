"""The trained part of an encoder: some of its blocks and a head, on a copy that leaves the caller's encoder alone."""

import copy
from collections.abc import Mapping, Sequence
from typing import Self, TypeVar

from torch import Tensor, nn

from al_core.encoders import SpeechEncoder
from al_core.heads import Head, Outputs

Frozen = TypeVar("Frozen", bound=nn.Module)


def frozen_copy(module: Frozen) -> Frozen:
    """A second encoder or network over the *same* weights in memory, none of which takes a gradient.

    Whoever trains a weight of the copy gives it storage of its own first.
    """
    shared = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in module.parameters()}
    return copy.deepcopy(module, dict[int, object](shared))


class LastState(nn.Module):
    """What a head reads unless a method says otherwise: the highest hidden state."""

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Hidden states start + 1 … stop, (b, f, d) each → the last of them."""
        return states[-1]


class Network(nn.Module):
    """Blocks start+1 … stop of an encoder, then a head: hidden state `start` → logits and dimensions.

    Args:
        encoder: a `frozen_copy`; weights that take a gradient are the trained ones.
        start, stop: hidden states, 0 ≤ start < stop ≤ n_layers.
        inserted: what methods add to the encoder, by method; hooks on the encoder call it, so it is no part of the
            encoder's tree and every path of `transformers` stays as it is.
        readout: hidden states start+1 … stop → what the head reads.
        head: on the readout.
        adapters: kind of method → the name its adapter has in `peft`, which differs where a first stage has the name.
    """

    def __init__(
        self,
        encoder: SpeechEncoder,
        start: int,
        stop: int,
        inserted: nn.ModuleDict,
        readout: nn.Module,
        head: Head,
        adapters: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.adapters = dict(adapters)
        self.encoder = encoder
        self.start = start
        self.stop = stop
        self.inserted = inserted
        self.readout = readout
        self.head = head

    @property
    def trains_front_end(self) -> bool:
        """Whether a weight below the first block is trained: hidden state 0 then needs its graph."""
        return any(weight.requires_grad for weight in self.encoder.front_end_weights())

    def train(self, mode: bool = True) -> Self:
        """Dropout in the blocks that run here, in what is inserted and in the head; nowhere below."""
        super().train(False)
        for part in (*list(self.encoder.blocks)[self.start : self.stop], self.inserted, self.head):
            part.train(mode)
        self.training = mode
        return self

    def states(self, hidden: Tensor, frame_mask: Tensor) -> Tensor:
        """What the head reads: hidden state `start` (b, f, d) and its mask (b, f) bool → (b, f, d)."""
        read: Tensor = self.readout(self.encoder.run(hidden, frame_mask, self.start, self.stop))
        return read

    def forward(self, hidden: Tensor, frame_mask: Tensor) -> Outputs:
        """Hidden state `start` (b, f, d) and its mask (b, f) → logits (b, c) and dimensions (b, m), float32."""
        outputs: Outputs = self.head(self.states(hidden, frame_mask), frame_mask)
        return outputs
