"""Do 32 annotators at once get clips and give answers quickly, each clip to one of them only?

A real server process on SQLite (and on PostgreSQL where a server answers), real HTTP connections kept alive, annotators
in processes of their own, a queue of many clips. Each annotator leases one clip and answers it, again and again,
without any pause and with one second of thinking. Beside it stands what HTTP alone costs on this machine: the same
annotators asking `/healthz` twice.
"""

import hashlib
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _table import Row, finish, parser
from sqlalchemy import func, insert, select

from al_core.scheme import Scheme
from app.accounts.service import create_account
from app.db import Database, utcnow
from app.migrating import upgrade
from app.models import Annotation, Asset, Assignment, AssignmentState, Clip, Job, JobState, Role, RoundState
from app.projects.service import create_project
from app.rounds.service import open_round

ANNOTATORS, PROCESSES = 32, 2
TARGET_MS = 250.0
REPOSITORY = Path(__file__).parents[1]
SERVE = """
import sys, uvicorn
from app.main import create_app
from app.settings import Settings
uvicorn.run(create_app(Settings()), port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@dataclass(frozen=True)
class Load:
    """What the annotators do: for how long, with which pause, and whether they annotate or only knock."""

    seconds: float
    think_s: float
    annotate: bool


@dataclass(frozen=True)
class Seen:
    """What they saw: seconds of each claim and submit together, statuses, and who held which clip from when to when."""

    pairs: list[float]
    statuses: Counter[int]
    held: list[tuple[int, float, float]]


def main() -> None:
    """Measure, and print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--clips", type=int, default=100_000, help="clips that wait for an annotator")
    arguments = options.parse_args()
    clips = 5_000 if arguments.short else arguments.clips
    rows = _measure("SQLite", None, clips, arguments.short)
    server = _postgres()
    if server is not None:
        from migrations.check import temporary_postgres

        with temporary_postgres(server) as url:
            rows += _measure("PostgreSQL", url, clips, arguments.short)
    finish("annotate", rows, arguments.json)


def _postgres() -> Any:
    sys.path.insert(0, str(REPOSITORY))  # `migrations` is in the repository, not among the installed packages
    from migrations.check import find_server

    return find_server()


def _measure(database: str, url: str | None, clips: int, short: bool) -> list[Row]:
    loads = [
        ("no pause", Load(2.0 if short else 20.0, 0.0, True), Load(1.0 if short else 5.0, 0.0, False)),
        ("1 s of thinking", Load(2.5 if short else 20.0, 1.0, True), Load(1.0 if short else 5.0, 1.0, False)),
    ]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        url = url or f"sqlite:///{folder}/afterloop.db"
        project_id, tokens = _fill(url, clips)
        with _server(url, Path(folder)) as port:
            for name, load, knock in loads:
                floor, seen = _crowd(port, project_id, tokens, knock), _crowd(port, project_id, tokens, load)
                case = f"{database}, {name}"
                rows += _figures(case, load, seen, floor)
        rows.append(_answered_twice(database, url))
    return rows


def _figures(case: str, load: Load, seen: Seen, floor: Seen) -> list[Row]:
    p50, p99 = (1000 * float(np.quantile(seen.pairs, q)) for q in (0.5, 0.99))
    errors = sum(n for status, n in seen.statuses.items() if status >= 500 or status == 0)
    print(
        f"{case}: {dict(seen.statuses)}, HTTP alone p99 {1000 * float(np.quantile(floor.pairs, 0.99)):.0f} ms",
        flush=True,
    )
    return [
        Row(f"{case}: claim + submit, p99", p99, "ms", target=TARGET_MS, less_is_better=True),
        Row(f"{case}: claim + submit, p50", p50, "ms", less_is_better=True),
        Row(f"{case}: HTTP alone, p99", 1000 * float(np.quantile(floor.pairs, 0.99)), "ms", less_is_better=True),
        Row(f"{case}: answers a second", len(seen.pairs) / load.seconds, "1/s"),
        Row(f"{case}: clips held twice at once", float(_held_twice(seen.held)), "clips", target=0, less_is_better=True),
        Row(f"{case}: answers of status 5xx or none", float(errors), "", target=0, less_is_better=True),
    ]


def _held_twice(held: list[tuple[int, float, float]]) -> int:
    """Clips somebody was given while somebody else still had them."""
    last_end: dict[int, float] = {}
    twice = 0
    for clip_id, begin, end in sorted(held, key=lambda hold: hold[1]):
        twice += begin < last_end.get(clip_id, 0.0)
        last_end[clip_id] = max(end, last_end.get(clip_id, 0.0))
    return twice


def _answered_twice(database: str, url: str) -> Row:
    db = Database(url)
    with db.read() as session:
        per_clip = select(Annotation.clip_id).group_by(Annotation.clip_id).having(func.count() > 1)
        twice = len(session.execute(per_clip).all())
    db.dispose()
    return Row(
        f"{database}: clips answered more often than asked", float(twice), "clips", target=0, less_is_better=True
    )


def _fill(url: str, clips: int) -> tuple[int, list[str]]:
    """A round that waits for one answer to each of `clips` clips, and the annotators' tokens."""
    upgrade(url)
    db, now = Database(url), utcnow()
    with db.write() as session:
        tokens = [create_account(session, f"annotator {i}", Role.ANNOTATOR, now)[1] for i in range(ANNOTATORS)]
        scheme = Scheme(("anger", "happiness", "neutral", "sadness"))
        project_id = create_project(session, name="bench", scheme=scheme, encoder="none", now=now).id
        turn = open_round(session, project_id, batch_size=clips, now=now)
        turn.state = RoundState.ANNOTATING
        session.get_one(Job, 1).state = JobState.SUCCEEDED
        session.flush()
        digests = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(clips)]
        peaks = [round(0.5 + 0.004 * i, 3) for i in range(100)] * 2
        shared = {"size_bytes": 1, "media_type": "audio/wav", "duration_s": 2.0, "created_at": now}
        session.execute(insert(Asset), [{"sha256": digest} | shared for digest in digests])
        of_clip = {"start_s": 0, "end_s": 2, "playback_type": "audio/wav", "split": "train", "peaks": peaks}
        session.execute(
            insert(Clip),
            [
                {"project_id": project_id, "asset_sha256": d, "playback_sha256": d, "created_at": now} | of_clip
                for d in digests
            ],
        )
        asked = {"project_id": project_id, "round_id": turn.id, "slot": 0, "fence": 0, "state": AssignmentState.OPEN}
        session.execute(insert(Assignment), [asked | {"clip_id": i + 1, "position": i} for i in range(clips)])
    db.dispose()
    return project_id, tokens


@contextmanager
def _server(url: str, folder: Path) -> Iterator[int]:
    """The API as a process of its own, on a free port, as `afterloop serve --no-worker` runs it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = os.environ | {"AFTERLOOP_DATABASE_URL": url, "AFTERLOOP_DATA": str(folder)}
    server = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], env=environment)
    try:
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        if server.returncode is not None:
            raise SystemExit("the server did not start; what it wrote above says why")
        yield port
    finally:
        server.terminate()
        server.wait()


def _crowd(port: int, project_id: int, tokens: list[str], load: Load) -> Seen:
    """All annotators at once, spread over a few processes."""
    context = multiprocessing.get_context("fork")  # no thread runs here, and nothing has to be imported again
    results: Any = context.Queue()
    share = -(-len(tokens) // PROCESSES)
    start = context.Barrier(PROCESSES)
    crowd = [
        context.Process(target=_annotators, args=(port, project_id, tokens[i : i + share], load, start, results))
        for i in range(0, len(tokens), share)
    ]
    for process in crowd:
        process.start()
    parts: list[Seen] = [results.get() for _ in crowd]
    for process in crowd:
        process.join()
    return Seen(
        [seconds for part in parts for seconds in part.pairs],
        sum((part.statuses for part in parts), Counter()),
        [hold for part in parts for hold in part.held],
    )


def _annotators(port: int, project_id: int, tokens: list[str], load: Load, start: Any, results: Any) -> None:
    seen = Seen([], Counter(), [])
    start.wait()  # until every process is up
    begin_at = time.time() + 0.1
    threads = [
        threading.Thread(target=_annotate, args=(port, project_id, token, load, begin_at, seen)) for token in tokens
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(seen)


def _annotate(port: int, project_id: int, token: str, load: Load, begin_at: float, seen: Seen) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    assert connection.sock is not None
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(method: str, path: str, body: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
        connection.request(method, path, None if body is None else json.dumps(body), headers | more)
        answer = connection.getresponse()
        text = answer.read()
        seen.statuses[answer.status] += 1
        return json.loads(text) if answer.status < 300 else {}

    time.sleep(max(0.0, begin_at - time.time() + load.think_s * np.random.default_rng().random()))
    while time.time() < begin_at + load.seconds:
        if not load.annotate:
            begun = time.perf_counter()
            call("GET", "/healthz")
            call("GET", "/healthz")
            seen.pairs.append(time.perf_counter() - begun)
            time.sleep(load.think_s)
            continue
        begun = time.perf_counter()
        leases = call("POST", f"/api/v1/projects/{project_id}/leases", {"count": 1}).get("leases", [])
        claimed, seconds = time.time(), time.perf_counter() - begun
        time.sleep(load.think_s)
        if leases:
            lease, key = leases[0], uuid.uuid4().hex
            begun, answered = time.perf_counter(), time.time()
            call(
                "POST", f"/api/v1/leases/{lease['lease_id']}/annotation", {"label": "anger"}, **{"Idempotency-Key": key}
            )
            seen.pairs.append(seconds + time.perf_counter() - begun)
            seen.held.append((lease["clip_id"], claimed, answered))
    connection.close()


if __name__ == "__main__":
    main()
