"""The command line in this process: a process of its own costs two seconds of imports a command."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli import main
from app.settings import get_settings


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run `afterloop …` in an empty folder, on the database of its data folder unless a test names another."""
    for name in [name for name in os.environ if name.startswith("AFTERLOOP_")]:
        monkeypatch.delenv(name)
    for name, value in {"AFTERLOOP_DATA": str(tmp_path / "data"), "COLUMNS": "200", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def afterloop(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["afterloop", *words])
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        get_settings.cache_clear()
        try:
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                main()
        finally:
            get_settings.cache_clear()
        return Ended(ended.value.code or 0, _text(out), _text(err))

    return afterloop


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()
