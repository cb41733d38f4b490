"""The local executor: a warm child process on this machine that imports the science once and runs one job at a time.

Parent and child talk in lines of JSON. The child reads the settings and then one claim a job from its standard input,
and writes one line a job that ended. It dies with its parent: by the end of that input, and on Linux by a signal.
"""

import json
import logging
import os
import select
import subprocess
import sys
from dataclasses import asdict
from typing import IO

from app.jobs.executor import Outcome
from app.jobs.queue import Claim
from app.settings import Settings

log = logging.getLogger(__name__)


class LocalExecutor:
    """An `Executor` whose child is started ahead of the first job, kept between jobs, and replaced after a kill."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child = _spawn(settings)

    def start(self, claim: Claim) -> None:
        """Hand the claim to the child, a new one if the last was killed."""
        if self._child.poll() is not None:
            self._child = _spawn(self._settings)
        _write_line(self._child, json.dumps(asdict(claim)))

    def wait(self, seconds: float) -> Outcome | None:
        """Wait for the child's line, or its end."""
        replies = _pipe(self._child.stdout)
        ready, _, _ = select.select([replies], [], [], seconds)
        if not ready:
            return None
        if replies.readline():
            return "ended"
        self._child.wait()
        log.warning("the job's process ended with code %s", self._child.returncode)
        return "died"

    def kill(self) -> None:
        """Kill the child; the next job gets another."""
        self._child.kill()
        self._child.wait()
        _pipe(self._child.stdin).close()
        _pipe(self._child.stdout).close()

    def close(self) -> None:
        """Kill the child for good."""
        self.kill()


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the child. Idle OpenMP threads must sleep: on shared cores spinning ones slow everybody down 4–5×."""
    threads = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    environment = {"GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"} | os.environ
    child = subprocess.Popen(
        [sys.executable, "-m", "app.jobs.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=environment | {"AFTERLOOP_PARENT": str(os.getpid())},
    )
    _write_line(child, settings.model_dump_json())
    return child


def _write_line(child: subprocess.Popen[bytes], line: str) -> None:
    try:
        _pipe(child.stdin).write(line.encode() + b"\n")
    except BrokenPipeError:
        log.warning("the job's process is gone before it was given a job")  # `wait` tells that it died


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the child is always started with pipes"
    return pipe
