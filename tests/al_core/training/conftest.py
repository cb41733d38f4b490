"""Low and high voices on disk, and encoders without dropout."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from al_core.audio import decode
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TinyFamily, build_tiny
from al_core.features import Clip, FeatureStore
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips, one_hot

CLASSES = Scheme(("low", "high", "unheard"))
BOTH = Scheme(("low", "high"), (Dimension("arousal", 1, 7), Dimension("valence", -1, 1)))
DIMENSIONS = Scheme((), (Dimension("arousal", 1, 7), Dimension("valence", -1, 1)))

Voices = Callable[..., LabelledClips]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums over threads differ from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Voices:
    """`voices(first, n, scheme)`: WAVs of 0.4 to 0.7 s, even ones low, odd ones high; arousal follows the pitch."""
    folder = tmp_path_factory.mktemp("voices")

    def clip(i: int) -> Clip:
        rng = np.random.default_rng(i)
        t = np.arange(6_400 + 1_600 * (i % 4)) / 16_000
        pitch = (120 if i % 2 == 0 else 900) * (1 + 0.05 * rng.standard_normal())
        path = folder / f"{i:03d}.wav"
        if not path.exists():
            waveform = 0.3 * np.sin(2 * np.pi * pitch * t) + 0.02 * rng.standard_normal(len(t))
            soundfile.write(path, waveform, 16_000, subtype="PCM_16")
        return Clip(f"{i:03d}", len(t) / 16_000, f"speaker-{i % 3}", partial(decode, path))

    def made(first: int, n: int, scheme: Scheme = CLASSES) -> LabelledClips:
        numbers = range(first, first + n)
        targets = np.zeros((n, 0), dtype=np.float32)
        if scheme.classes:
            targets = one_hot([scheme.classes[i % 2] for i in numbers], scheme)
        dimensions = None
        if scheme.dimensions:
            rng = np.random.default_rng(first)
            arousal = [2.0 + 3 * (i % 2) + rng.uniform(-1, 1) for i in numbers]
            valence = [np.nan if i % 5 == 0 else np.cos(i) for i in numbers]
            dimensions = np.array([arousal, valence], dtype=np.float32).T
        return LabelledClips(tuple(map(clip, numbers)), targets, dimensions)

    return made


@pytest.fixture(scope="session")
def without_dropout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TinyFamily], SpeechEncoder]:
    """Open a tiny encoder of a family whose blocks drop nothing."""
    root = tmp_path_factory.mktemp("without-dropout")

    def opened(family: TinyFamily) -> SpeechEncoder:
        folder = root / family
        if not folder.exists():
            build_tiny(family, folder)
            config = json.loads((folder / "config.json").read_text())
            drops = {name: 0.0 for name in config if "dropout" in name and isinstance(config[name], float)}
            (folder / "config.json").write_text(json.dumps(config | drops))
        return open_encoder(folder)

    return opened


@pytest.fixture(scope="session")
def with_dropout(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    """A tiny wav2vec 2.0, whose blocks drop a tenth."""
    return open_encoder(build_tiny("wav2vec2", tmp_path_factory.mktemp("with-dropout")))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


@pytest.fixture
def schemes() -> dict[str, Scheme]:
    """By what they hold."""
    return {"classes": CLASSES, "both": BOTH, "dimensions": DIMENSIONS}
