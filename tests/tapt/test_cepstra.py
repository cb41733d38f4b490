import numpy as np
import pytest

from tapt.cepstra import mfcc

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0, loudness: float = 0.1) -> np.ndarray:
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("n_frames", [1, 24, 49, 99])
def test_as_many_frames_as_the_encoder_has(n_frames: int) -> None:
    frames = mfcc(tone(200), n_frames)
    assert frames.shape == (n_frames, 39) and frames.dtype == np.float32
    assert np.isfinite(frames).all()


def test_louder_moves_the_first_cepstrum_alone() -> None:
    # A factor on the waveform adds a constant to every log band; the cosine transform puts constants into c0.
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(RATE).astype(np.float32)
    soft, loud = mfcc(0.1 * noise, 49)[5:-5], mfcc(noise, 49)[5:-5]
    assert np.allclose((loud - soft)[:, 0], np.log(100) * np.sqrt(40), atol=0.01)
    assert np.abs((loud - soft)[:, 1:]).max() < 0.01


def test_differences_tell_a_change_when_it_happens() -> None:
    frames = mfcc(np.concatenate([tone(200), tone(2000)]), 100)
    steady = np.abs(frames[[20, 80], 13:]).max()
    assert np.abs(frames[50, 13:]).max() > 20 * steady
    assert np.abs(frames[20, 1:13] - frames[80, 1:13]).max() > 1


def test_silence_is_finite() -> None:
    assert np.isfinite(mfcc(np.zeros(8_000, np.float32), 24)).all()


def test_frames_follow_the_time_of_the_clip_at_any_rate() -> None:
    change = np.concatenate([tone(200), tone(2000)])
    slow, fast = mfcc(change, 50), mfcc(change, 200)
    assert np.allclose(slow[10], fast[41], atol=0.5) and np.allclose(slow[40], fast[161], atol=0.5)
