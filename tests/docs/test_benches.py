"""Every bench runs in its short form and writes the JSON it promises; what it measures is not judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
ROW = {"case", "value", "unit", "yardstick", "ratio", "target", "met"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", sorted(BENCH.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_the_short_form_runs_and_writes_its_rows(script: Path, tmp_path: Path, shared: Path) -> None:
    written = tmp_path / "rows.json"
    environment = os.environ | {"AFTERLOOP_SHARED": str(shared)}
    command = [sys.executable, str(script), "--short", "--json", str(written)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    told = json.loads(written.read_text())
    assert set(told) == {"bench", "rows", "machine", "versions"}
    assert told["bench"] == script.stem
    assert told["rows"]
    assert all(set(row) == ROW for row in told["rows"])
