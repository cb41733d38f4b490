"""The student: a copy of the encoder of which the last transformer blocks learn and everything below is frozen."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from al_core.encoders import Batch, SpeechEncoder
from tapt.errors import TaptError


class TaptStudentError(TaptError):
    """More blocks are asked to learn than the encoder has."""


class Student:
    """An encoder under TAPT. The encoder it is made from is left as it was.

    The front end (convolutions, feature projection, positions) and the blocks below `first` are frozen, kept in eval
    mode and run without gradients; blocks from `first` on are in train mode, so their dropout is on.

    Attributes:
        encoder: the copy that learns.
        first: number of frozen blocks.

    Raises:
        TaptStudentError: `train_last` exceeds the encoder's blocks.
    """

    encoder: SpeechEncoder
    first: int

    def __init__(self, encoder: SpeechEncoder, train_last: int) -> None:
        if train_last > encoder.n_layers:
            raise TaptStudentError(
                f"train_last is {train_last}, but {encoder.source} has {encoder.n_layers} blocks: "
                "lower it, or use 0 for all of them"
            )
        self.encoder = copy.deepcopy(encoder)
        self.first = encoder.n_layers - (train_last or encoder.n_layers)
        self.encoder.eval().requires_grad_(False)
        for block in self._learning_blocks():
            block.train().requires_grad_(True)

    def _learning_blocks(self) -> list[nn.Module]:
        return list(self.encoder.blocks)[self.first :]

    @property
    def device(self) -> torch.device:
        """Where the encoder's weights are."""
        return next(self.encoder.parameters()).device

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: p for name, p in self.encoder.named_parameters() if p.requires_grad}

    def state(self) -> dict[str, Tensor]:
        """Weights that differ from the starting encoder's, by name."""
        return {name: p.detach() for name, p in self.parameters().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        with torch.no_grad():
            for name, parameter in self.parameters().items():
                parameter.copy_(state[name])

    def hidden(self, batch: Batch, masked: NDArray[np.bool_]) -> Tensor:
        """The last hidden state of a minibatch some of whose frames are hidden.

        Args:
            batch: padded clips, as `SpeechEncoder.prepare` gives them.
            masked: (b, f) bool, True is hidden.

        Returns:
            (b, f, d) float, with a gradient to the learning blocks.
        """
        with torch.no_grad():
            below, frame_mask = self.encoder.front_end(batch, masked=torch.from_numpy(masked).to(self.device))
            if self.first:
                below = self.encoder.run(below, frame_mask, 0, self.first)[-1]  # (b, f, d)
        return self.encoder.run(below, frame_mask, self.first)[-1]  # (b, f, d)
