"""The API's process stays small while people upload."""

import io
import os
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

LIMIT_KB = 150_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_eight_long_uploads_at_once_stay_under_150_megabytes(tmp_path: Path) -> None:
    environment = os.environ | {"AFTERLOOP_DATA": str(tmp_path), "AFTERLOOP_LOG_LEVEL": "WARNING"}
    environment.pop("AFTERLOOP_DATABASE_URL", None)
    afterloop = [sys.executable, "-c", "from app.cli import main; main()"]
    made = subprocess.run([*afterloop, "token", "create", "a", "--role", "admin"], env=environment, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*afterloop, "serve", "--no-worker", "--port", str(port)], env=environment)
    try:
        headers = {"Authorization": f"Bearer {made.stdout.decode().strip()}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=60) as http:
            _wait_for(f"http://127.0.0.1:{port}/healthz")
            body = {"name": "p", "classes": ["a", "b"], "encoder": "none"}
            project = http.post("/projects", json=body).json()["id"]
            clips = [_recording(seed) for seed in range(8)]
            with ThreadPoolExecutor(8) as people:
                replies = people.map(lambda clip: http.post(f"/projects/{project}/clips", files={"file": clip}), clips)
            assert [reply.status_code for reply in replies] == [201] * 8
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        assert peak is not None
        assert int(peak[1]) < LIMIT_KB
    finally:
        server.terminate()
        server.wait(20)


def _recording(seed: int) -> tuple[str, bytes]:
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(seed).standard_normal((48_000 * 25, 2))
    soundfile.write(file, noise, 48_000, format="WAV", subtype="PCM_16")
    return "long.wav", file.getvalue()


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(url)
