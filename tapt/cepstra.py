"""Mel-frequency cepstra: what a network with random weights learns units of, for its own frames say nothing yet."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct

from al_core.audio import SAMPLE_RATE, Waveform

Floats = NDArray[np.float32]

N_CEPSTRA = 13
_HOP, _WINDOW, _FFT, _MELS = 160, 400, 512, 40
_DELTA = 2  # frames of 10 ms to either side
_FLOOR = 1e-8  # of the power, so that silence has a logarithm


def mfcc(waveform: Waveform, n_frames: int) -> Floats:
    """(n_frames, 39) float32: 13 cepstra of 40 mel bands (20 to 7600 Hz) with first and second differences.

    HuBERT's first iteration clusters these (Hsu et al., arXiv:2106.07447, section IV.B). They are taken every 10 ms and
    read at the middle of each of `n_frames` equal parts, so that they belong to an encoder's frames whatever its rate.

    Args:
        waveform: (samples,) at 16 kHz.
        n_frames: of the encoder for this clip.
    """
    spectrum = torch.stft(
        torch.from_numpy(np.ascontiguousarray(waveform)), _FFT, _HOP, _WINDOW, torch.hann_window(_WINDOW),
        pad_mode="constant", return_complex=True,
    )  # fmt: skip
    power = spectrum.abs().square().numpy().T  # (t, bins)
    cepstra = dct(np.log(power @ _mel_bands() + _FLOOR), norm="ortho", axis=1)[:, :N_CEPSTRA]  # (t, 13)
    first = _difference(cepstra)
    stacked = np.concatenate([cepstra, first, _difference(first)], axis=1)  # (t, 39)
    middles = (np.arange(n_frames) + 0.5) * len(waveform) / n_frames / _HOP
    return stacked[np.minimum(middles.round().astype(np.int64), len(stacked) - 1)].astype(np.float32)


def _difference(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of the least-squares line through five frames; ends are repeated."""
    padded = np.pad(frames, ((_DELTA, _DELTA), (0, 0)), mode="edge")
    steps = range(-_DELTA, _DELTA + 1)
    slope = sum(step * padded[_DELTA + step : _DELTA + step + len(frames)] for step in steps)
    return np.asarray(slope) / sum(step**2 for step in steps)


def _mel_bands() -> NDArray[np.float64]:
    """(bins, 40) triangles of equal width on the mel scale, 2595 log10(1 + f / 700)."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (20.0, 7600.0))
    edges = 700 * (10 ** (np.linspace(lowest, highest, _MELS + 2) / 2595) - 1)  # Hz
    bins = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)[:, None]  # (bins, 1)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bands: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0.0, None)
    return bands
