"""How many clips a second does Label Studio, as it installs, give to 16 annotators and take back answered?

Label Studio itself (from PyPI, on SQLite, one process, as `label-studio start` runs it), 16 people with a token each,
2,000 tasks with audio addresses. Everybody asks for the next task and submits an annotation, again and again, without
any pause: the loop of `_annotators.py`, which `bench/annotate.py` runs against this service. A task counts as given
twice when somebody gets it while somebody else still has it.

Label Studio brings 150 packages, so it lives in an environment of its own, named by AFTERLOOP_LABEL_STUDIO (its
command). Without it the bench says so and ends.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _annotators import Load, Request, crowd
from _table import Row, finish, parser

ANNOTATORS, TASKS = 16, 2_000
ADMIN_TOKEN = "0123456789abcdef0123456789abcdef01234567"
CONFIG = (
    '<View><Audio name="audio" value="$audio"/><Choices name="emotion" toName="audio" choice="single">'
    '<Choice value="anger"/><Choice value="happiness"/><Choice value="neutral"/><Choice value="sadness"/>'
    "</Choices></View>"
)
RESULT = [{"from_name": "emotion", "to_name": "audio", "type": "choices", "value": {"choices": ["anger"]}}]


@dataclass(frozen=True)
class Theirs:
    """How Label Studio is asked for a task and given an annotation."""

    project: int

    def claim(self) -> Request:
        """The next task."""
        return Request("GET", f"/api/projects/{self.project}/next/")

    def item(self, answer: Mapping[str, Any]) -> int | None:
        """The task's id."""
        return int(answer["id"]) if "id" in answer else None

    def submit(self, answer: Mapping[str, Any]) -> Request:
        """Annotate it."""
        return Request("POST", f"/api/tasks/{answer['id']}/annotations/", {"result": RESULT, "lead_time": 1.0})


@dataclass(frozen=True)
class Figures:
    """One run: answers a second, seconds a pair, and what went wrong."""

    version: str
    a_second: float
    p50_ms: float
    p99_ms: float
    given_twice: int
    errors: int


def main() -> None:
    """Measure, and print the table."""
    arguments = parser(__doc__ or "").parse_args()
    if command() is None:
        print(
            "no Label Studio here: install it in an environment of its own, name its command in AFTERLOOP_LABEL_STUDIO"
        )
        finish("label_studio", [Row("Label Studio: installed", 0.0, "")], arguments.json)
        return
    finish("label_studio", rows(measure(5.0 if arguments.short else 40.0)), arguments.json)


def command() -> str | None:
    """The command that starts Label Studio, or None where there is none."""
    return os.environ.get("AFTERLOOP_LABEL_STUDIO") or shutil.which("label-studio")


def rows(found: Figures) -> list[Row]:
    """The table of a run."""
    case = f"Label Studio {found.version}, {ANNOTATORS} annotators"
    return [
        Row(f"{case}: answers a second", found.a_second, "1/s"),
        Row(f"{case}: next + submit, p50", found.p50_ms, "ms", less_is_better=True),
        Row(f"{case}: next + submit, p99", found.p99_ms, "ms", less_is_better=True),
        Row(f"{case}: tasks given to two people at once", float(found.given_twice), "tasks", less_is_better=True),
        Row(f"{case}: answers of status 5xx or none", float(found.errors), "", less_is_better=True),
    ]


def measure(seconds: float, annotators: int = ANNOTATORS) -> Figures:
    """Run Label Studio and the annotators' loop for some seconds."""
    with tempfile.TemporaryDirectory() as folder, _studio(Path(folder)) as port:
        admin = _Client(port, ADMIN_TOKEN)
        version = str(admin.call("GET", "/api/version")["release"])
        project = int(admin.call("POST", "/api/projects/", {"title": "bench", "label_config": CONFIG})["id"])
        tasks = [{"data": {"audio": f"http://127.0.0.1:9/clip-{i}.wav"}} for i in range(TASKS)]
        admin.call("POST", f"/api/projects/{project}/import", tasks)
        tokens = _people(admin, Path(folder), annotators)
        seen = crowd(port, [f"Token {token}" for token in tokens], Theirs(project), Load(seconds))
        print(f"Label Studio {version}: {dict(seen.statuses)}", flush=True)
    return Figures(
        version=version,
        a_second=len(seen.pairs) / seconds,
        p50_ms=seen.quantile_ms(0.5),
        p99_ms=seen.quantile_ms(0.99),
        given_twice=seen.held_twice(),
        errors=seen.errors,
    )


@contextmanager
def _studio(folder: Path) -> Iterator[int]:
    """Label Studio on a free port, with an administrator."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    user = ["--username", "admin@example.org", "--password", "correct horse 7", "--user-token", ADMIN_TOKEN]
    where = ["--data-dir", str(folder), "-p", str(port), "--internal-host", "127.0.0.1", "--no-browser"]
    settings = {"LABEL_STUDIO_BASE_DATA_DIR": str(folder), "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true"}
    settings |= {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false"}
    studio_command = [command() or "", "start", "--init", "first", *user, "--enable-legacy-api-token", *where]
    with (folder / "log").open("wb") as log:
        studio = subprocess.Popen(studio_command, env=os.environ | settings, stdout=log, stderr=log, cwd=folder)
        try:
            _wait(port, studio, folder / "log")
            yield port
        finally:
            studio.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                studio.wait(20)
            studio.kill()


def _wait(port: int, studio: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(3000):
        if studio.poll() is not None:
            raise SystemExit(f"Label Studio did not start:\n{log.read_text()[-2000:]}")
        try:
            _Client(port, ADMIN_TOKEN).call("GET", "/health")
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("Label Studio did not answer within ten minutes")


def _people(admin: "_Client", folder: Path, n: int) -> list[str]:
    """The tokens of `n` people of the administrator's organisation; tokens are read where Label Studio keeps them."""
    ids = []
    for i in range(n):
        body = {"email": f"a{i}@example.org", "username": f"a{i}", "password": "correct horse 7"}
        ids.append(int(admin.call("POST", "/api/users/", body)["id"]))
    (path,) = folder.glob("*.sqlite3")
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        found = dict(database.execute("SELECT user_id, key FROM authtoken_token").fetchall())
    return [str(found[i]) for i in ids]


class _Client:
    """The administrator's connection: anything but a success ends the bench."""

    def __init__(self, port: int, token: str) -> None:
        self._headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One request."""
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"Label Studio answered {method} {path} with {answer.status}: {text[:500]!r}")
        return json.loads(text) if text.lstrip().startswith(b"{") else {}


if __name__ == "__main__":
    main()
