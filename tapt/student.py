"""The student: a copy of the encoder of which the recipe's scope learns and everything else is frozen."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from al_core.encoders import Batch, SpeechEncoder
from al_core.encoders.digest import digest_of
from al_core.peft import lora
from al_core.peft.assembly import Assembly
from al_core.peft.injection import unwrap
from al_core.peft.network import frozen_copy
from al_core.peft.specs import Lora
from al_core.precision import autocast
from tapt.errors import TaptError
from tapt.recipe import Everything, FeedForwardLora, LastBlocks, Scope


class TaptStudentError(TaptError):
    """The scope does not fit the encoder."""


class Student:
    """An encoder under TAPT. The encoder it is made from is left as it was.

    Blocks below `first`, and the front end unless the scope says otherwise, are frozen, kept in eval mode and run
    without gradients; blocks from `first` on are in train mode, so their dropout is on.

    Args:
        encoder: to make a copy of.
        scope: what learns; None for nothing. New weights (LoRA's) come from torch's global generator.
        dtype: of the matrix products.

    Attributes:
        encoder: the copy that learns.
        first: number of frozen blocks.

    Raises:
        TaptStudentError: the scope names more blocks than the encoder has, or the encoder has local attributes.
    """

    encoder: SpeechEncoder
    first: int

    def __init__(self, encoder: SpeechEncoder, scope: Scope | None, dtype: torch.dtype = torch.float32) -> None:
        if not encoder.is_plain:
            raise TaptStudentError(
                f"{encoder.source} has local attributes already: adapt the plain encoder that it was made from"
            )
        self._scope = scope
        self._dtype = dtype
        self.first = encoder.n_layers - _learning_blocks(encoder, scope)
        match scope:
            case Everything() | LastBlocks():
                self.encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
                for block in list(self.encoder.blocks)[self.first :]:
                    block.requires_grad_(True)
                if self.front_end_learns:
                    for weight in _front_end(self.encoder):
                        weight.requires_grad_(True)
            case FeedForwardLora():
                self.encoder = _with_lora(encoder, scope)
            case None:
                self.encoder = frozen_copy(encoder).eval()
            case _:
                assert_never(scope)
        for block in list(self.encoder.blocks)[self.first :]:
            block.train()

    @property
    def front_end_learns(self) -> bool:
        """Whether what lies below the first block moves, too."""
        return isinstance(self._scope, Everything) and self._scope.front_end

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

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        with torch.no_grad():
            for name, parameter in self.parameters().items():
                parameter.copy_(state[name])

    def adapted(self, state: Mapping[str, Tensor] | None = None) -> SpeechEncoder:
        """A plain frozen encoder that computes what the student does, LoRA merged, with a digest of its own.

        Args:
            state: weights of an earlier step, as `state` gave them; None for those of now.
        """
        copied = copy.deepcopy(self)
        if state is not None:
            copied.restore(state)
        encoder = copied.encoder.eval()
        network = encoder.get_submodule("network")
        if isinstance(self._scope, FeedForwardLora):
            unwrap(network)
        encoder.digest = digest_of(network, encoder.feature_extractor)
        return encoder.requires_grad_(False)

    def states(self, batch: Batch, masked: NDArray[np.bool_], at: Sequence[int]) -> list[Tensor]:
        """Hidden states of a minibatch some of whose frames are hidden; no block above the highest one runs.

        Args:
            batch: padded clips, as `SpeechEncoder.prepare` gives them.
            masked: (b, f) bool, True is hidden.
            at: which hidden states, in the order of the result.

        Returns:
            (b, f, d) float32 each, with a gradient to what learns.
        """
        with autocast(self._dtype, self.device):
            with self._front_end_gradients():
                hidden, frame_mask = self.encoder.front_end(batch, torch.from_numpy(masked).to(self.device))
            return self._above(hidden, frame_mask, at)

    def top_and_features(self, batch: Batch, masked: NDArray[np.bool_]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The last hidden state, as `states` gives it, and `SpeechEncoder.local_features`, none of which are hidden.

        Returns:
            (b, f, d) float32, and (f, c) float32 a clip, with a gradient where the front end learns.
        """
        with autocast(self._dtype, self.device):
            with self._front_end_gradients():
                hide = torch.from_numpy(masked).to(self.device)
                hidden, frame_mask, features = self.encoder.front_end_and_features(batch, hide)
            (top,) = self._above(hidden, frame_mask, [self.encoder.n_layers])
        return top, tuple(row.float() for row in features)

    def _front_end_gradients(self) -> AbstractContextManager[object]:
        return torch.set_grad_enabled(self.front_end_learns and torch.is_grad_enabled())

    def _above(self, hidden: Tensor, frame_mask: Tensor, at: Sequence[int]) -> list[Tensor]:
        """Hidden states, (b, f, d) float32 each, from hidden state 0."""
        stop = max(at)
        found = [hidden]
        if frozen := min(self.first, stop):
            with torch.no_grad():
                found += self.encoder.run(hidden, frame_mask, 0, frozen)
        if stop > self.first:
            found += self.encoder.run(found[-1], frame_mask, self.first, stop)
        return [found[state].float() for state in at]


def _learning_blocks(encoder: SpeechEncoder, scope: Scope | None) -> int:
    """How many of the last blocks learn."""
    match scope:
        case None:
            return 0
        case Everything():
            return encoder.n_layers
        case LastBlocks(k=k):
            name, wanted = "k", k
        case FeedForwardLora(last=last):
            name, wanted = "last", encoder.n_layers if last is None else last
        case _:
            assert_never(scope)
    if wanted > encoder.n_layers:
        raise TaptStudentError(
            f"scope.{name} is {wanted}, but {encoder.source} has {encoder.n_layers} blocks: lower it, or use the scope "
            '"everything"'
        )
    return wanted


def _front_end(encoder: SpeechEncoder) -> list[nn.Parameter]:
    """What decides hidden state 0, of hidden frames too."""
    learned = getattr(encoder.get_submodule("network"), "masked_spec_embed", None)
    return [*encoder.front_end_weights(), *([] if learned is None else [learned])]


def _with_lora(encoder: SpeechEncoder, scope: FeedForwardLora) -> SpeechEncoder:
    """A copy over the same weights in memory, beside which LoRA's own learn."""
    assembly = Assembly(frozen_copy(encoder).eval(), encoder.n_layers)
    lora.attach(Lora(rank=scope.rank, alpha=scope.alpha, last=scope.last), assembly)
    return assembly.encoder.to(next(encoder.parameters()).device)


def check_reaches(student: Student, highest: int) -> None:
    """Refuse a scope none of whose blocks the objective reads.

    Raises:
        TaptStudentError: every block up to hidden state `highest` is frozen.
    """
    if highest <= student.first and not student.front_end_learns:
        raise TaptStudentError(
            f"objective.predicted_at reads no hidden state above {highest}, but only blocks above {student.first} "
            'learn: raise it, or use the scope "everything"'
        )
