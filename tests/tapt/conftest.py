"""Small speech-like clips and tiny encoders for TAPT."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from al_core.audio import Waveform
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TinyFamily, build_tiny
from al_core.features import Clip

OpenTiny = Callable[[TinyFamily], SpeechEncoder]


def voice(seed: int, seconds: float) -> Waveform:
    """Harmonics of a pitch that changes every 0.1 s, over faint noise: frames that differ and repeat."""
    rng = np.random.default_rng(seed)
    pitches = rng.choice([90.0, 120.0, 160.0, 210.0, 280.0], size=round(seconds * 10))
    phase = 2 * np.pi * np.cumsum(np.repeat(pitches, 1600)) / 16_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 10))
    return (0.1 * tone + 0.005 * rng.standard_normal(len(phase))).astype(np.float32)


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """Twelve clips of 0.8 to 1.9 s."""
    seconds = [0.8 + 0.1 * i for i in range(12)]
    return [Clip(f"{i:02d}", seconds[i], None, partial(voice, i, seconds[i])) for i in range(12)]


@pytest.fixture(scope="session")
def open_tiny(tmp_path_factory: pytest.TempPathFactory) -> OpenTiny:
    """Open a tiny encoder of a family, built once."""
    root = tmp_path_factory.mktemp("tiny")

    def opened(family: TinyFamily) -> SpeechEncoder:
        folder = root / family
        return open_encoder(folder if folder.exists() else build_tiny(family, folder))

    return opened
