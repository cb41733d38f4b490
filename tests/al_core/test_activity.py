"""Active frames: loud ones, whatever the gain; pauses and padding are left out of the mean."""

import numpy as np
import pytest

from al_core.features.activity import active_frames


def speech(seconds: float, level: float) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(int(16_000 * seconds))).astype(np.float32)


def test_padding_and_a_pause_are_not_active():
    waveform = np.concatenate([speech(1, 0.1), speech(0.5, 1e-4), speech(0.5, 0.1), np.zeros(16_000, np.float32)])
    active = active_frames(waveform, 150)
    assert active[:49].all() and active[76:99].all()
    assert not active[51:74].any() and not active[101:].any()


@pytest.mark.parametrize("gain", [1e-3, 1, 100])
def test_the_gain_of_a_recording_decides_nothing(gain):
    waveform = np.concatenate([speech(0.5, 0.1), speech(0.5, 1e-3), speech(0.5, 0.02)])
    np.testing.assert_array_equal(active_frames(gain * waveform, 75), active_frames(waveform, 75))


def test_a_click_does_not_set_the_level():
    waveform = speech(2, 0.01)
    waveform[8_000] = 1.0
    assert active_frames(waveform, 100).all()


@pytest.mark.parametrize("n_frames", [1, 7, 400])
def test_something_is_active_in_any_clip_of_any_length(n_frames):
    assert active_frames(speech(0.02, 0.1), n_frames).any()
    assert active_frames(np.full(300, 0.5, np.float32), n_frames).any()
