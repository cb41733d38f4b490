"""Where a trained network's input comes from: the feature store, or audio each time, with or without gradients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from al_core.encoders import Batch, SpeechEncoder
from al_core.encoders.base import pad_frames
from al_core.features import Clip, EmbedReport, FeatureSpec, FeatureStore, embed


class Frames(Protocol):
    """Hidden state `start` of clips: the input of the lowest trained block."""

    def prepare(self, clips: Sequence[Clip]) -> Iterator[EmbedReport]:
        """Do once what `read` would otherwise wait for."""
        ...

    def read(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        """Padded hidden states (b, f, d) float32 and their mask (b, f) bool, on the encoder's device.

        What is computed here runs under the caller's autocast.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CachedFrames:
    """Frames run once in evaluation mode, stored unpadded and memory-mapped (Sampath et al., arXiv:2503.03756).

    Attributes:
        spec: hidden state and stored type; float16 takes 76.8 kB a second of audio at 768 wide.
    """

    encoder: SpeechEncoder
    store: FeatureStore
    spec: FeatureSpec

    def prepare(self, clips: Sequence[Clip]) -> Iterator[EmbedReport]:
        """Compute what the store lacks."""
        yield from embed(self.encoder, self.store, [self.spec], clips)

    def read(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        """From the store; `prepare` must have run on these clips."""
        rows = [self.store.frames(self.encoder.digest, self.spec, clip.key) for clip in clips]  # (f_i, d) each
        device = next(self.encoder.parameters()).device
        # astype copies: a memory map is read-only, a tensor is not.
        return pad_frames([torch.from_numpy(row.astype("float32")).to(device) for row in rows])


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrames:
    """Frames computed from audio by the frozen front end, and by the frozen blocks up to `start`, without gradients."""

    encoder: SpeechEncoder
    start: int = 0

    def prepare(self, clips: Sequence[Clip]) -> Iterator[EmbedReport]:
        """Nothing to do."""
        yield from ()

    def read(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        """Decode, prepare, run."""
        with torch.no_grad():
            hidden, frame_mask = self.encoder.front_end(_prepared(self.encoder, clips))
            if self.start > 0:
                hidden = self.encoder.run(hidden, frame_mask, 0, self.start)[-1]
        return hidden.float(), frame_mask


@dataclass(frozen=True, slots=True, eq=False)
class TrainedFrontEnd:
    """Hidden state 0 by the network's own front end: part of the training graph unless gradients are off."""

    encoder: SpeechEncoder

    def prepare(self, clips: Sequence[Clip]) -> Iterator[EmbedReport]:
        """Nothing to do."""
        yield from ()

    def read(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        """Decode, prepare, run; a loss on it reaches the front end's weights."""
        hidden, frame_mask = self.encoder.front_end(_prepared(self.encoder, clips))
        return hidden.float(), frame_mask


def _prepared(encoder: SpeechEncoder, clips: Sequence[Clip]) -> Batch:
    # A log-mel of half precision is another log-mel.
    with torch.autocast(next(encoder.parameters()).device.type, enabled=False):
        return encoder.prepare([clip.load() for clip in clips])
