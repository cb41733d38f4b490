"""Noise on clips: in training (augmentation) and in evaluation (at fixed signal-to-noise ratios).

Noise is added when a clip is loaded, from numbers that only the seed and the clip's key decide, and the result has a
key of its own: features of clean and noisy clips never meet in a store.

Own code rather than `audiomentations`: its release of today pins soxr below 1.0, which decoding here is past, and it
brings librosa with numba and llvmlite, 210 MB for one scaling and one slice. Its `AddGaussianSNR` differs in that the
noise has the ratio on average, here in every clip.
"""

from al_core.noise.augmenting import augmented
from al_core.noise.evaluating import SNRS_DB, evaluate_under_noise
from al_core.noise.mixing import NoiseError, at_snr
from al_core.noise.noisy import noisy
from al_core.noise.recordings import open_recordings

__all__ = ["SNRS_DB", "NoiseError", "at_snr", "augmented", "evaluate_under_noise", "noisy", "open_recordings"]
