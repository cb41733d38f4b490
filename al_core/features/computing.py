"""One minibatch of clips: audio → waveforms → hidden states → the features that are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import torch
from torch import Tensor

from al_core.audio import SAMPLE_RATE, Waveform
from al_core.encoders import Batch, EncoderError, SpeechEncoder
from al_core.features.activity import active_frames
from al_core.features.clip import Clip, FeatureError, FeatureSpec
from al_core.features.loss_profile import loss_profiles
from al_core.features.store import Floats


@dataclass(frozen=True, slots=True)
class Pack:
    """Features of one minibatch: number of clips, seconds of audio, and rows (r, d) by spec and key."""

    clips: int
    seconds: float
    features: dict[FeatureSpec, dict[str, Floats]]


def compute(encoder: SpeechEncoder, specs: Sequence[FeatureSpec], pack: Sequence[Clip]) -> Pack:
    """Decode one minibatch, run it up to the highest layer asked for, and pool it.

    Raises:
        FeatureError: a clip cannot be decoded, does not fit the encoder, or gives features that are not finite.
    """
    waveforms = [_load_clip(clip) for clip in pack]
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE
    return Pack(len(pack), seconds, _features(encoder, specs, pack, waveforms))


def _load_clip(clip: Clip) -> Waveform:
    try:
        return clip.load()
    except (OSError, ValueError) as error:
        raise FeatureError(f"clip {clip.key} cannot be decoded: {error}; repair its audio or leave it out") from error


def _features(
    encoder: SpeechEncoder, specs: Sequence[FeatureSpec], pack: Sequence[Clip], waveforms: Sequence[Waveform]
) -> dict[FeatureSpec, dict[str, Floats]]:
    """Every spec's features of every clip in the pack, (rows, d) by key."""
    top = max(spec.layer for spec in specs)
    try:
        with torch.inference_mode():
            batch = encoder.prepare(waveforms)
            hidden, frame_mask = encoder.front_end(batch)  # (b, f, d), (b, f)
            states = [hidden, *(encoder.run(hidden, frame_mask, 0, top) if top else [])]
            found = {spec: _of_all(encoder, batch, states, waveforms, spec) for spec in specs}
            return {
                spec: {clip.key: _finite(clip, one) for clip, one in zip(pack, rows, strict=True)}
                for spec, rows in found.items()
            }
    except EncoderError as error:
        keys = ", ".join(clip.key for clip in pack)
        raise FeatureError(f"among the clips {keys}: {error}; leave it out") from error


def _of_all(
    encoder: SpeechEncoder, batch: Batch, states: Sequence[Tensor], waveforms: Sequence[Waveform], spec: FeatureSpec
) -> list[Floats]:
    """One spec's features of every clip of a minibatch, given its (b, f, d) hidden states from 0 on."""
    if spec.pooling == "loss_profile":
        profiles = loss_profiles(encoder, batch, states[spec.layer], spec.layer)
        return [profile.cpu().numpy().astype(spec.dtype) for profile in profiles]
    return [
        _rows([states[i][row, :frames] for i in spec.layers], waveform, spec)
        for row, (frames, waveform) in enumerate(zip(batch.lengths, waveforms, strict=True))
    ]


def _rows(states: Sequence[Tensor], waveform: Waveform, spec: FeatureSpec) -> Floats:
    """(f, d) of each hidden state → (1, s · d), (1, 2 · s · d) or (f, s · d), on the CPU in the stored dtype."""
    if spec.pooling == "active_mean":
        heard = torch.from_numpy(active_frames(waveform, len(states[0]))).to(states[0].device)
        states = [frames[heard] for frames in states]
    rows: Floats = torch.cat([_pool(frames, spec) for frames in states], dim=-1).cpu().numpy().astype(spec.dtype)
    return rows


def _pool(frames: Tensor, spec: FeatureSpec) -> Tensor:
    """(f, d) → (1, d), (1, 2 · d) or (f, d) float32."""
    match spec.pooling:
        case "mean" | "active_mean":
            return frames.mean(dim=0, keepdim=True).float()
        case "mean_std":
            std, mean = torch.std_mean(frames, dim=0, correction=0, keepdim=True)
            return torch.cat([mean, std], dim=-1).float()
        case "frames":
            return frames.float()
        case "loss_profile":
            raise AssertionError("no pooling of one hidden state: see _of_all")
        case _:
            assert_never(spec.pooling)


def _finite(clip: Clip, rows: Floats) -> Floats:
    if not np.isfinite(rows).all():
        raise FeatureError(f"clip {clip.key} gives features that are not finite: check its audio, or store float32")
    return rows
