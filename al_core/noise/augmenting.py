"""PEFT-SER's augmentation of training audio: Gaussian noise at a random SNR, then one span of silence."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from al_core.audio import Waveform
from al_core.features import Clip
from al_core.noise.mixing import clip_rng, gaussian
from al_core.recipe import Augment

# Distinguishes these draws from those of other noises with the same seed.
_STREAM = 1


def augmented(clips: Sequence[Clip], augment: Augment, seed: int, epoch: int) -> tuple[Clip, ...]:
    """The clips as one epoch hears them: each with probability `augment.probability` noisy, and then another clip.

    Nothing is decoded here; noise is added on loading. The SNR is uniform between its bounds, the length of the span
    uniform up to its longest share of the clip, its place uniform.

    Reference: Feng & Narayanan, *PEFT-SER*, ACII 2023 (arXiv:2306.05350): 10-30 dB and one time mask.

    Args:
        clips: clean clips.
        augment: the recipe's.
        seed: the recipe's.
        epoch: from 1; every epoch has draws of its own.
    """
    return tuple(_augmented(clip, augment, seed, epoch) for clip in clips)


def _augmented(clip: Clip, augment: Augment, seed: int, epoch: int) -> Clip:
    if clip_rng(clip.key, _STREAM, seed, epoch).random() >= augment.probability:
        return clip
    name = f"{augment.snr_low_db:g}-{augment.snr_high_db:g}dB-{augment.time_mask_share:g}"
    key = f"{clip.key}+augmented-{name}-seed{seed}-epoch{epoch}"
    return replace(clip, key=key, load=partial(_load, clip, augment, seed, epoch))


def _load(clip: Clip, augment: Augment, seed: int, epoch: int) -> Waveform:
    rng = clip_rng(clip.key, _STREAM, seed, epoch)
    rng.random()  # the draw that decided that it is augmented
    waveform = gaussian(clip.load(), rng.uniform(augment.snr_low_db, augment.snr_high_db), rng)
    length = int(rng.uniform(0, augment.time_mask_share) * len(waveform))
    start = int(rng.integers(len(waveform) - length + 1))
    waveform[start : start + length] = 0
    return waveform
