"""Noise of an exact loudness beside a clip."""

import hashlib

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from al_core.audio import Waveform


class NoiseError(ValueError):
    """Noise that cannot be added; the sentence says why and what to do."""


def at_snr(speech: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """speech + g · noise with 10 log₁₀(Σ speech² / Σ (g · noise)²) = snr_db, over the whole clip, its pauses included.

    The sum may exceed full scale and is not clipped: clipping would be a second noise. Silence stays silence.

    Args:
        speech: (T,) float32.
        noise: (T,) float32, not silent.
        snr_db: signal-to-noise ratio in decibels.

    Raises:
        NoiseError: the noise is silent, or not as long as the speech.
    """
    if len(speech) != len(noise):
        raise NoiseError(f"{len(noise)} values of noise for {len(speech)} of speech: cut or repeat the noise first")
    power = _power(noise)
    if power == 0:
        raise NoiseError("the noise is silent: no loudness makes it audible, use another")
    gain = np.sqrt(_power(speech) / power) * 10 ** (-snr_db / 20)
    mixed: Waveform = (speech + gain * noise.astype(np.float64)).astype(np.float32)
    return mixed


def gaussian(speech: Waveform, snr_db: float, rng: Generator) -> Waveform:
    """White noise of normal distribution at an exact SNR."""
    return at_snr(speech, rng.standard_normal(len(speech)).astype(np.float32), snr_db)


def clip_rng(key: str, *numbers: int) -> Generator:
    """The generator of one clip: the same whatever clips are asked for beside it, and in any process."""
    digest = hashlib.sha256(key.encode()).digest()
    return default_rng(SeedSequence([*numbers, int.from_bytes(digest[:8], "little")]))


def _power(waveform: Waveform) -> float:
    return float(np.square(waveform, dtype=np.float64).mean())
