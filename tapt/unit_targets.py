"""Units of an encoder's hidden states as targets: clusters found once a stage, units found as clips come along."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_core.audio import SAMPLE_RATE, Waveform
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from tapt.alarms import Counts
from tapt.cepstra import mfcc
from tapt.randomness import Stream, generator
from tapt.units import FIT_FRAMES, Floats, TaptUnitsError, Units, fit_units

ClipUnits = NDArray[np.int16]

# Frames whose units are remembered: 55 hours, 20 MB a layer. Those of more audio are found anew each time.
_MEMO_FRAMES = 10_000_000


class UnitTargets:
    """Units of some hidden states of one frozen encoder, or at first of cepstra.

    Only clusters are fitted beforehand, on a bounded draw of frames: the unit of a frame is found when its clip is
    trained on, so nothing grows with the corpus. A clip passes alone, so its units never depend on its neighbours.

    Args:
        layers: hidden states that are clustered.
        n_units: K, in each of them.
        seed: of the draw and of k-means.
        begins_with_mfcc: in the first stage cepstra are clustered in place of each hidden state.

    Attributes:
        fitted: (layers, K) counts of the units of the frames that the last `fit` saw.
    """

    fitted: Counts

    def __init__(self, layers: Sequence[int], n_units: int, seed: int, begins_with_mfcc: bool = False) -> None:
        self._layers = tuple(layers)
        self._n_units = n_units
        self._seed = seed
        self._begins_with_mfcc = begins_with_mfcc
        self._encoder: SpeechEncoder | None = None
        self._of_mfcc = False
        self._units: list[Units] = []
        self._memo: dict[int, ClipUnits] = {}
        self._remembered = 0
        self.fitted = np.zeros((len(self._layers), n_units))

    def fit(self, encoder: SpeechEncoder, clips: Sequence[Clip], stage: int) -> Iterator[tuple[int, int]]:
        """Cluster up to `FIT_FRAMES` frames of random clips; a later stage begins from the clusters it had.

        Clusters of cepstra are no beginning for those of hidden states, which are drawn anew.

        Yields:
            Clips passed through the encoder so far, and how many there will be.

        Raises:
            TaptUnitsError: fewer frames than units, a clip too short to mask, or frames that are not finite.
        """
        chosen = clips_to_fit(encoder, clips, self._seed, stage)
        goes_on = bool(self._units) and not self._of_mfcc
        self._watch(encoder, stage)
        held: list[list[Floats]] = [[] for _ in self._layers]
        for done, position in enumerate(chosen, start=1):
            for frames, found in zip(held, self._frames(clips[position].load()), strict=True):
                frames.append(found)
            yield done, len(chosen)
        before: list[Units | None] = [*self._units] if goes_on else [None] * len(self._layers)
        self._units = [
            fit_units(frames, self._n_units, self._seed, start=start)
            for frames, start in zip(held, before, strict=True)
        ]
        for position, clip_states in zip(chosen, zip(*held, strict=True), strict=True):
            self._remember(position, self._assign(clip_states))
        self.fitted = self.count(np.concatenate([self._memo[position] for position in chosen], axis=1))

    def count(self, units: NDArray[np.integer]) -> Counts:
        """(layers, m) units → (layers, K) counts."""
        return np.stack([np.bincount(row, minlength=self._n_units) for row in units]).astype(np.float64)

    def of(self, position: int, waveform: Waveform) -> ClipUnits:
        """(layers, f) int16: the units of the clip at this position, given its audio."""
        known = self._memo.get(position)
        if known is not None:
            return known
        found = self._assign(self._frames(waveform))
        self._remember(position, found)
        return found

    def _frames(self, waveform: Waveform) -> list[Floats]:
        """What is clustered of one clip, (f, d) a layer."""
        assert self._encoder is not None, "fit or restore comes first"
        if self._of_mfcc:
            [n_frames] = self._encoder.frame_counts([len(waveform)])
            return [mfcc(waveform, n_frames)] * len(self._layers)
        return hidden_states(self._encoder, waveform, self._layers)

    def _assign(self, states: Sequence[Floats]) -> ClipUnits:
        """One clip's hidden states, (f, d) each → (layers, f)."""
        return np.stack([units.assign(frames) for units, frames in zip(self._units, states, strict=True)])

    def _remember(self, position: int, found: ClipUnits) -> None:
        if self._remembered + found.shape[1] <= _MEMO_FRAMES:
            self._memo[position] = found
            self._remembered += found.shape[1]

    def _watch(self, encoder: SpeechEncoder, stage: int) -> None:
        self._encoder = encoder
        self._of_mfcc = self._begins_with_mfcc and stage == 1
        self._memo, self._remembered = {}, 0

    def state(self) -> dict[str, Tensor]:
        """The clusters of every layer."""
        return {
            f"{i}.{name}": torch.from_numpy(getattr(units, name))
            for i, units in enumerate(self._units)
            for name in ("mean", "scale", "centres")
        }

    def restore(self, state: Mapping[str, Tensor], encoder: SpeechEncoder, stage: int) -> None:
        """Put back what `state` gave; `encoder` is the one the clusters were fitted on in that stage."""
        self._units = [
            Units(*(state[f"{i}.{name}"].numpy() for name in ("mean", "scale", "centres")))
            for i in range(len(self._layers))
        ]
        self._watch(encoder, stage)


def clips_to_fit(encoder: SpeechEncoder, clips: Sequence[Clip], seed: int, stage: int) -> list[int]:
    """Positions of random clips that hold about `FIT_FRAMES` frames together, or of all of them.

    Raises:
        TaptUnitsError: a clip, chosen or not, is too short to be masked.
    """
    frames = np.asarray(encoder.frame_counts([round(clip.duration_s * SAMPLE_RATE) for clip in clips]))
    if frames.min() < 2:
        raise TaptUnitsError(f"clip {clips[int(frames.argmin())].key} has a single frame: leave it out")
    order = generator(seed, Stream.UNITS, stage).permutation(len(clips))
    before = np.cumsum(frames[order]) - frames[order]
    chosen: list[int] = sorted(order[before < FIT_FRAMES].tolist())
    return chosen


def hidden_states(encoder: SpeechEncoder, waveform: Waveform, layers: Sequence[int]) -> list[Floats]:
    """Hidden states of one clip that is alone in its batch, (f, d) float32 each."""
    batch = encoder.prepare([waveform])
    with torch.no_grad():
        hidden, frame_mask = encoder.front_end(batch)
        states = [hidden, *(encoder.run(hidden, frame_mask, 0, max(layers)) if max(layers) else [])]
    return [states[layer][0].float().cpu().numpy() for layer in layers]
