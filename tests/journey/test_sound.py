"""The arithmetic of the annotator's page, in the browser that runs it, against NumPy."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.web import assets

if TYPE_CHECKING:
    from tests.journey.conftest import Visit

RATE = 16_000
Enter = Callable[..., "Visit"]


@pytest.fixture
def run_js(enter: Enter) -> Callable[..., Any]:
    """Evaluate an expression over a module `m` of the page and `given`."""
    page = enter().open("/")

    def run(module: str, expression: str, given: Any) -> Any:
        program = f"async ([url, given]) => {{ const m = await import(url); return {expression}; }}"
        return page.evaluate(program, [assets.url(module), given])

    return run


@pytest.mark.browser
@pytest.mark.parametrize("size", [8, 512])
def test_the_spectrogram_s_spectrum_is_numpy_s(run_js: Callable[..., Any], size: int) -> None:
    rng = np.random.default_rng(size)
    samples = rng.standard_normal(size + 37).astype(np.float32)
    padded = np.concatenate([np.zeros(5), samples, np.zeros(size)])  # a frame may stick out on either side
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    expression = """given.starts.map((from) => {
        const power = new Float32Array(given.size / 2);
        m.spectrumOf(given.size)(Float32Array.from(given.samples), from, power);
        return Array.from(power);
    })"""
    starts = [0, 20, -5, 37]
    found = run_js("fft.js", expression, {"size": size, "samples": samples.tolist(), "starts": starts})
    for start, power in zip(starts, found, strict=True):
        expected = np.abs(np.fft.rfft(padded[5 + start : 5 + start + size] * window)[: size // 2]) ** 2
        np.testing.assert_allclose(power, expected, rtol=1e-3, atol=1e-3 * expected.max())


@pytest.mark.browser
@pytest.mark.parametrize("level_db", [-45.0, -30.0, -15.0])
def test_a_quiet_and_a_loud_clip_are_played_equally_loud_and_no_peak_clips(
    run_js: Callable[..., Any], level_db: float
) -> None:
    voice = _voice(seed=3)
    clip = voice * 10 ** (level_db / 20) / np.sqrt(np.mean(voice[: RATE // 2] ** 2))
    gain = run_js("loudness.js", "m.gainFor(Float32Array.from(given), 16000)", clip.tolist())
    assert np.abs(clip).max() * gain <= 0.981
    louder = 10 * np.log10(_power_of_blocks(clip * gain))
    limited = 0.98 / np.abs(clip).max()
    assert gain == pytest.approx(limited, rel=1e-3) or louder == pytest.approx(-23, abs=0.05)


@pytest.mark.browser
def test_pauses_do_not_make_a_clip_count_as_quieter(run_js: Callable[..., Any]) -> None:
    voice = 0.1 * _voice(seed=4)
    with_pause = np.concatenate([voice, np.zeros(3 * RATE)])
    gains = [
        run_js("loudness.js", "m.gainFor(Float32Array.from(given), 16000)", c.tolist()) for c in (voice, with_pause)
    ]
    assert 20 * abs(np.log10(gains[1] / gains[0])) < 1.0


@pytest.mark.browser
def test_silence_is_left_as_it_is(run_js: Callable[..., Any]) -> None:
    assert run_js("loudness.js", "m.gainFor(new Float32Array(given), 16000)", RATE) == 1


def _voice(seed: int) -> np.ndarray:
    """A second of noise at an even level."""
    return np.random.default_rng(seed).uniform(-1, 1, RATE).astype(np.float32)


def _power_of_blocks(clip: np.ndarray) -> float:
    """Mean power of the gated 400 ms blocks, written out."""
    block, hop = round(0.4 * RATE), round(0.1 * RATE)
    powers = [float(np.mean(clip[i : i + block] ** 2)) for i in range(0, len(clip) - block + 1, hop)]
    heard = [power for power in powers if 10 * np.log10(power + 1e-12) > -70]
    gate = 10 * np.log10(np.mean(heard)) - 10
    return float(np.mean([power for power in heard if 10 * np.log10(power) >= gate]))
