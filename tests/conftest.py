"""Fixtures of the science: the real speech beside the repository, and small files written on the spot."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "0")  # before torch is imported: spinning threads starve the other workers
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

WriteWav = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first, so that no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real corpora (`data/`) and encoders (`encoders/`), never copied into the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("AFTERLOOP_SHARED", beside))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real speech at {folder}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    return folder


@pytest.fixture
def write_wav() -> WriteWav:
    """Write a small WAV of voiced noise: `write_wav(path, seconds=0.5, rate=16_000, seed=0)` makes the folders too."""

    def write(path: Path, seconds: float = 0.5, rate: int = 16_000, seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        t = np.arange(round(seconds * rate)) / rate
        tone = sum(np.sin(2 * np.pi * 120 * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * tone + 0.005 * rng.standard_normal(len(t)), rate, subtype="PCM_16")
        return path

    return write
