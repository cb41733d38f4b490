"""Clips at a fixed signal-to-noise ratio: Gaussian noise, or real noise."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.random import Generator

from al_core.audio import Waveform
from al_core.features import Clip
from al_core.noise.mixing import NoiseError, at_snr, clip_rng, gaussian

_STREAM = 2
# A recording of noise may hold digital silence; so many places in so many recordings are tried.
_TRIES = 20


def noisy(clips: Sequence[Clip], snr_db: float, noises: Sequence[Clip] | None, seed: int) -> tuple[Clip, ...]:
    """The clips at exactly `snr_db`, as clips of their own: their keys differ from the clean ones'.

    Nothing is decoded here; noise is added on loading, so `load` may raise NoiseError when every recording is silent.

    Args:
        clips: clean clips.
        snr_db: signal-to-noise ratio in decibels, over the whole clip.
        noises: recordings, of which each clip gets one from a random place on, repeated where it is too short; None
            for white Gaussian noise.
        seed: of noise, choice and place; the same noise at every `snr_db`.

    Raises:
        NoiseError: `noises` is empty.
    """
    if noises is None:
        return tuple(
            replace(clip, key=_key(clip, "gaussian", snr_db, seed), load=partial(_with_gaussian, clip, snr_db, seed))
            for clip in clips
        )
    if not noises:
        raise NoiseError("there is no recording of noise: give some, or None for Gaussian noise")
    recordings = tuple(noises)
    name = hashlib.sha256("\n".join(noise.key for noise in recordings).encode()).hexdigest()[:16]
    return tuple(
        replace(clip, key=_key(clip, name, snr_db, seed), load=partial(_with_recording, clip, recordings, snr_db, seed))
        for clip in clips
    )


def _key(clip: Clip, name: str, snr_db: float, seed: int) -> str:
    return f"{clip.key}+{name}-{snr_db:g}dB-seed{seed}"


def _with_gaussian(clip: Clip, snr_db: float, seed: int) -> Waveform:
    return gaussian(clip.load(), snr_db, clip_rng(clip.key, _STREAM, seed))


def _with_recording(clip: Clip, recordings: tuple[Clip, ...], snr_db: float, seed: int) -> Waveform:
    speech, rng = clip.load(), clip_rng(clip.key, _STREAM, seed)
    for _ in range(_TRIES):
        noise = _cut(recordings[int(rng.integers(len(recordings)))].load(), len(speech), rng)
        if noise.any():
            return at_snr(speech, noise, snr_db)
    raise NoiseError(f"no noise for clip {clip.key}: {_TRIES} places in the recordings are silent, use others")


def _cut(recording: Waveform, length: int, rng: Generator) -> Waveform:
    """`length` values from a random place on, beginning again at the recording's end."""
    start = int(rng.integers(len(recording)))
    cut: Waveform = recording[(start + np.arange(length)) % len(recording)]
    return cut
