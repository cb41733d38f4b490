"""Do 64 annotators at once get clips and give answers quickly, each clip to one of them only?

A real server process on SQLite (and on PostgreSQL where a server answers), real HTTP connections kept alive, a queue of
many clips. Each annotator leases one clip and answers it, again and again, without any pause and with one second of
thinking. Beside it stands what HTTP alone costs on this machine: the same annotators asking `/healthz` twice. Where
AFTERLOOP_LABEL_STUDIO names the command of a Label Studio, the same loop then asks that.

The annotators share the machine with the server: the table says how much processor time each of them took a pair.
"""

import contextlib
import hashlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import label_studio
from _annotators import Load, Request, Seen, crowd
from _table import Row, finish, parser
from sqlalchemy import func, insert, select

from al_core.scheme import Scheme
from app.accounts.service import create_account
from app.db import Database, utcnow
from app.migrating import upgrade
from app.models import Annotation, Asset, Assignment, AssignmentState, Clip, Job, JobState, Role, RoundState
from app.projects.service import create_project
from app.rounds.service import open_round

ANNOTATORS = 64
TARGETS_MS = {"SQLite": 250.0, "PostgreSQL": 150.0}
FASTER = 20.0  # than Label Studio
WARM_UP_S = 2.0
REPOSITORY = Path(__file__).parents[1]
SERVE = """
import sys, uvicorn
from app.main import create_app
from app.settings import Settings
uvicorn.run(create_app(Settings()), port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@dataclass(frozen=True)
class Lengths:
    """Seconds of each part, and how many clips wait."""

    clips: int
    busy_s: float
    thinking_s: float
    alone_s: float


@dataclass(frozen=True)
class Ours:
    """How this service is asked for a clip and given an answer."""

    project_id: int

    def claim(self) -> Request:
        """Lease one clip."""
        return Request("POST", f"/api/v1/projects/{self.project_id}/leases", {"count": 1})

    def item(self, answer: Mapping[str, Any]) -> int | None:
        """The leased clip."""
        leases = answer.get("leases")
        return int(leases[0]["clip_id"]) if leases else None

    def submit(self, answer: Mapping[str, Any]) -> Request:
        """Answer it."""
        path = f"/api/v1/leases/{answer['leases'][0]['lease_id']}/annotation"
        return Request("POST", path, {"label": "anger"}, {"Idempotency-Key": uuid.uuid4().hex})


class Knock:
    """Two requests that do nothing: what HTTP alone costs."""

    def claim(self) -> Request:
        """Knock."""
        return Request("GET", "/healthz")

    def item(self, answer: Mapping[str, Any]) -> int | None:
        """Nothing comes back; any number says that the second request follows."""
        return None if not answer else hash(id(answer))

    def submit(self, answer: Mapping[str, Any]) -> Request:
        """Knock again."""
        return Request("GET", "/healthz")


def main() -> None:
    """Measure, and print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--clips", type=int, default=100_000, help="clips that wait for an annotator")
    options.add_argument("--seconds", type=float, default=60.0, help="of annotating without a pause")
    options.add_argument("--databases", nargs="+", choices=[*TARGETS_MS], default=[*TARGETS_MS], help="to measure on")
    arguments = options.parse_args()
    lengths = Lengths(arguments.clips, arguments.seconds, 20.0, 5.0)
    if arguments.short:
        lengths = Lengths(5_000, 2.0, 1.5, 0.5)
    rows: list[Row] = []
    best = 0.0
    for database in arguments.databases:
        with _database(database) as url:
            if url is None:
                continue
            found, a_second = _measure(database, url, lengths)
            rows, best = rows + found, max(best, a_second)
    if label_studio.command() is not None and not arguments.short:
        rows += _theirs(best)
    finish("annotate", rows, arguments.json)


@contextmanager
def _database(name: str) -> Iterator[str | None]:
    """The URL of an empty database; None where no server answers."""
    if name == "SQLite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/afterloop.db"
        return
    sys.path.insert(0, str(REPOSITORY))  # `migrations` is in the repository, not among the installed packages
    from migrations.check import find_server, temporary_postgres

    server = find_server()
    if server is None:
        print("no PostgreSQL server answers: name one in AFTERLOOP_TEST_POSTGRES")
        yield None
        return
    with temporary_postgres(server) as url:
        yield url


def _measure(database: str, url: str, lengths: Lengths) -> tuple[list[Row], float]:
    """The rows of one database, and how many answers a second it took without a pause."""
    project_id, tokens = _fill(url, lengths.clips)
    people, rows, a_second = [f"Bearer {token}" for token in tokens], [], 0.0
    name = url.rpartition("/")[2]
    loads = [("no pause", Load(lengths.busy_s)), ("1 s of thinking", Load(lengths.thinking_s, 1.0))]
    with tempfile.TemporaryDirectory() as folder, _server(url, Path(folder)) as (port, server):
        crowd(port, people, Ours(project_id), Load(min(WARM_UP_S, lengths.alone_s)))
        for pause, load in loads:
            alone = crowd(port, people, Knock(), Load(lengths.alone_s, load.think_s / 4))
            before = _spent_s(server, name)
            seen = crowd(port, people, Ours(project_id), load)
            spent = [after - begun for after, begun in zip(_spent_s(server, name), before, strict=True)]
            a_second = max(a_second, len(seen.pairs) / load.seconds)
            rows += _figures(f"{database}, {pause}", load, seen, alone, TARGETS_MS[database], spent)
    rows.append(_answered_twice(database, url))
    return rows, a_second


def _figures(case: str, load: Load, seen: Seen, alone: Seen, target_ms: float, spent: list[float]) -> list[Row]:
    print(f"{case}: {dict(seen.statuses)}", flush=True)
    server_ms, database_ms, client_ms = (1000 * seconds / max(len(seen.pairs), 1) for seconds in spent)
    rows = [
        Row(f"{case}: claim + submit, p99", seen.quantile_ms(0.99), "ms", target=target_ms, less_is_better=True),
        Row(f"{case}: claim + submit, p50", seen.quantile_ms(0.5), "ms", less_is_better=True),
        Row(f"{case}: HTTP alone, p99", alone.quantile_ms(0.99), "ms", less_is_better=True),
        Row(f"{case}: answers a second", len(seen.pairs) / load.seconds, "1/s"),
        Row(f"{case}: the server's processor time a pair", server_ms, "ms", less_is_better=True),
        Row(f"{case}: the annotators' processor time a pair", client_ms, "ms", less_is_better=True),
        Row(f"{case}: clips held twice at once", float(seen.held_twice()), "clips", target=0, less_is_better=True),
        Row(f"{case}: answers of status 5xx or none", float(seen.errors), "", target=0, less_is_better=True),
    ]
    if database_ms:  # SQLite works in the server's process
        rows.append(Row(f"{case}: the database's own processor time a pair", database_ms, "ms", less_is_better=True))
    return rows


def _spent_s(server: int, database: str) -> list[float]:
    """Seconds of processor time so far: the server's process, the backends of its database, and ours."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return [_cpu_s([server]), _cpu_s(_backends(database)), own.ru_utime + own.ru_stime]


def _backends(database: str) -> list[int]:
    """PostgreSQL's processes that serve a database, by the titles they give themselves (Linux alone)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            title = path.read_bytes()
            if title.startswith(b"postgres:") and database.encode() in title:
                found.append(int(path.parent.name))
    return found


def _cpu_s(processes: list[int]) -> float:
    ticks = 0
    for process in processes:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _theirs(ours: float) -> list[Row]:
    """Label Studio's own figures, and how many times ours."""
    found = label_studio.measure(40.0)
    told = f"answers a second, {ANNOTATORS} annotators here, {label_studio.ANNOTATORS} there"
    ratio = Row(f"against Label Studio {found.version}: {told}", ours, "1/s", yardstick=found.a_second, target=FASTER)
    return [ratio, *label_studio.rows(found)]


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
def _server(url: str, folder: Path) -> Iterator[tuple[int, int]]:
    """The API as a process of its own, as `afterloop serve --no-worker` runs it: its port and process."""
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
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
