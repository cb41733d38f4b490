"""What every speech encoder offers: frames of a clip that do not depend on what it is batched with."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from al_core.audio import Waveform
from al_core.encoders.outline import Outline


class EncoderError(RuntimeError):
    """An encoder that cannot be opened or cannot take this clip; the sentence names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips in the form the front end reads, each at its own length: padding begins only behind the front end.

    Attributes:
        inputs: a clip's samples (T,), or its log-mel (mels, t) for Whisper, on the encoder's device.
        lengths: frames of each clip after the front end.
    """

    inputs: tuple[Tensor, ...]
    lengths: tuple[int, ...]


class SpeechEncoder(nn.Module, ABC):
    """A pretrained encoder cut into its three parts: preparation, front end, transformer blocks.

    Hidden state 0 is the input of the first block, hidden state i the output of block i; the last one includes the
    family's final layer norm where it has one. Blocks above the state asked for are never run; SpecAugment and
    LayerDrop are never applied.

    Attributes:
        family: Hugging Face's `model_type`.
        source: hub id or folder it was opened from.
        digest: SHA-256 of its weights and of what in its configuration decides the frames, in hex.
        hidden_size: d.
        blocks: the transformer blocks.
        feed_forward_names: names of the two feed-forward linears of a block.
        attention_name: name of the attention of a block.
        recompute_activations: run blocks without keeping their activations, and again in the backward pass.
        is_plain: every weight is one of `transformers`' own network.
    """

    family: str
    source: str
    digest: str
    hidden_size: int
    feed_forward_names: tuple[str, str]
    attention_name: str
    recompute_activations: bool = False
    is_plain: bool = True

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks, first to last."""

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        return len(self.blocks)

    @property
    def outline(self) -> Outline:
        """What a recipe must fit; `read_outline` reads the same from the configuration alone."""
        linears = {
            path.rpartition(".")[2] for path, module in self.blocks[0].named_modules() if isinstance(module, nn.Linear)
        }
        return Outline(self.family, self.n_layers, self.hidden_size, self.feed_forward_names, tuple(sorted(linears)))

    @property
    @abstractmethod
    def final_norm(self) -> nn.Module | None:
        """The layer norm behind the last block, in families that have one."""

    @abstractmethod
    def front_end_weights(self) -> list[nn.Parameter]:
        """What decides hidden state 0 of a clip none of whose frames is hidden."""

    def train(self, mode: bool = True) -> Self:
        """Dropout in the blocks only: the front end stays in evaluation mode; set its modules yourself to train it."""
        super().train(False)
        self.blocks.train(mode)
        self.training = mode
        return self

    @property
    @abstractmethod
    def feature_size(self) -> int:
        """c: width of `local_features`."""

    @abstractmethod
    def local_features(self, batch: Batch) -> tuple[Tensor, ...]:
        """What the convolutions make of each clip, (f, c), none hidden: targets of contrastive learning."""

    @abstractmethod
    def prepare(self, waveforms: Sequence[Waveform]) -> Batch:
        """Normalise or transform waveforms, each (T,) float32 at 16 kHz; EncoderError when one is unusable."""

    @abstractmethod
    def front_end(self, batch: Batch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hidden state 0, (b, f, d), and the frame mask, (b, f) bool, True where a clip has a frame.

        `masked`, (b, f) bool, marks frames whose content is hidden, for masked prediction.
        """

    def front_end_and_features(
        self, batch: Batch, masked: Tensor | None = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """`front_end`, and `local_features` beside it, the work they share done once."""
        return *self.front_end(batch, masked), self.local_features(batch)

    @abstractmethod
    def run(self, hidden: Tensor, frame_mask: Tensor, start: int = 0, stop: int | None = None) -> list[Tensor]:
        """Hidden states start + 1 … stop, each (b, f, d), from hidden state `start`; `stop` is the last by default."""

    def _through(self, block: nn.Module, hidden: Tensor, **options: Tensor | None) -> Tensor:
        """One block: (b, f, d) → (b, f, d)."""
        if self.recompute_activations and torch.is_grad_enabled():
            out: Any = checkpoint(partial(block, **options), hidden, use_reentrant=False)
        else:
            out = block(hidden, **options)
        above: Tensor = out[0] if isinstance(out, tuple) else out
        return above

    @abstractmethod
    def frame_counts(self, samples: Sequence[int]) -> list[int]:
        """Frames of clips with these numbers of samples at 16 kHz."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights, configuration and feature extractor in Hugging Face format."""


def pad_frames(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Frames of b clips, (f_i, d) each → zero-padded (b, f, d) and the frame mask (b, f) bool."""
    hidden = pad_sequence(list(rows), batch_first=True)  # (b, f, d)
    lengths = torch.tensor([len(row) for row in rows], device=hidden.device)
    return hidden, torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]


def attention_mask_of(frame_mask: Tensor, dtype: torch.dtype) -> Tensor | None:
    """(b, f) bool → additive (b, 1, 1, f) mask that closes padded keys; None when nothing is padded."""
    if bool(frame_mask.all()):
        return None
    closed = torch.zeros(frame_mask.shape, dtype=dtype, device=frame_mask.device)
    return closed.masked_fill(~frame_mask, torch.finfo(dtype).min)[:, None, None, :]


def resolve_stop(start: int, stop: int | None, n_layers: int) -> int:
    """`stop`, or the last block; ValueError when no block lies between `start` and it."""
    stop = n_layers if stop is None else stop
    if not 0 <= start < stop <= n_layers:
        raise ValueError(f"blocks {start + 1} … {stop} do not exist: the encoder has {n_layers}")
    return stop
