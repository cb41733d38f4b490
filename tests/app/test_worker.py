"""The worker: what it does when a job ends, dies, is cancelled or lost, and when it is asked to stop itself."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from al_core.encoders.tiny import build_tiny
from al_core.scheme import Scheme
from app.db import Database, utcnow
from app.jobs import queue
from app.jobs.child import describe
from app.jobs.executor import Outcome
from app.jobs.local import LocalExecutor
from app.jobs.queue import Claim
from app.models import Job
from app.projects.service import create_project
from app.settings import Settings
from app.worker import Worker

PATIENCE_S = 60.0


class Elsewhere:
    """An executor whose jobs do what the test says: end well, die, or go on until killed."""

    def __init__(self, database: Database, fate: str) -> None:
        self.database, self.fate, self.killed, self.claims = database, fate, 0, list[Claim]()

    def start(self, claim: Claim) -> None:
        self.claims.append(claim)

    def wait(self, seconds: float) -> Outcome | None:
        if self.fate == "goes on":
            time.sleep(seconds)
            return None
        if self.fate == "ends":
            with self.database.write() as session:
                queue.finish(session, self.claims[-1].job_id, self.claims[-1].fence, {"by": "test"}, now=utcnow())
            return "ended"
        return "died"

    def kill(self) -> None:
        self.killed += 1

    def close(self) -> None: ...


@pytest.fixture
def job_id(database: Database) -> int:
    return _enqueue(database, _project(database, "x"))


def _project(database: Database, encoder: str, name: str = "calls") -> int:
    with database.write() as session:
        scheme = Scheme(("anger", "neutral"))
        return create_project(session, name=name, scheme=scheme, encoder=encoder, now=utcnow()).id


def _enqueue(database: Database, project: int) -> int:
    with database.write() as session:
        return queue.enqueue(session, "embed", project, now=utcnow()).id


def _job(database: Database, job_id: int) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@contextmanager
def _working(settings: Settings, executor: Any) -> Iterator[threading.Event]:
    stop = threading.Event()
    quick = settings.model_copy(update={"poll_s": 0.01, "job_lease_s": 0.6})
    thread = threading.Thread(target=Worker(quick, executor).run_forever, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def test_a_job_is_run_once_to_its_end(database: Database, settings: Settings, job_id: int) -> None:
    elsewhere = Elsewhere(database, "ends")
    with _working(settings, lambda _: elsewhere):
        _until(lambda: _job(database, job_id).state == "succeeded")
    assert [claim.job_id for claim in elsewhere.claims] == [job_id]
    assert _job(database, job_id).result == {"by": "test"}


def test_a_job_whose_process_dies_is_tried_again_and_fails_by_name(
    database: Database, settings: Settings, job_id: int
) -> None:
    elsewhere = Elsewhere(database, "dies")
    with _working(settings, lambda _: elsewhere):
        _until(lambda: _job(database, job_id).state == "failed")
    assert [claim.fence for claim in elsewhere.claims] == [1, 2, 3]
    error = _job(database, job_id).error
    assert error is not None and error["name"] == "WorkerDiedError"


def test_a_cancelled_job_is_killed(database: Database, settings: Settings, job_id: int) -> None:
    elsewhere = Elsewhere(database, "goes on")
    with _working(settings, lambda _: elsewhere):
        _until(lambda: bool(elsewhere.claims))
        with database.write() as session:
            queue.request_cancel(session, job_id, now=utcnow())
        _until(lambda: _job(database, job_id).state == "cancelled")
    assert elsewhere.killed == 1


def test_heartbeats_keep_a_long_job_longer_than_its_lease(database: Database, settings: Settings, job_id: int) -> None:
    elsewhere = Elsewhere(database, "goes on")
    with _working(settings, lambda _: elsewhere):
        _until(lambda: bool(elsewhere.claims))
        time.sleep(1.5)
        with database.write() as session:
            assert queue.claim(session, "another", 60, now=utcnow()) is None
    assert len(elsewhere.claims) == 1


def test_a_job_that_was_taken_over_is_killed_and_left_to_its_new_holder(
    database: Database, settings: Settings, job_id: int
) -> None:
    elsewhere = Elsewhere(database, "goes on")
    with _working(settings, lambda _: elsewhere):
        _until(lambda: bool(elsewhere.claims))
        with database.write() as session:
            session.execute(update(Job).where(Job.id == job_id).values(fence=Job.fence + 1))
        _until(lambda: elsewhere.killed == 1)
        assert _job(database, job_id).state == "running"


def test_a_worker_asked_to_stop_hands_its_job_back(database: Database, settings: Settings, job_id: int) -> None:
    elsewhere = Elsewhere(database, "goes on")
    with _working(settings, lambda _: elsewhere):
        _until(lambda: bool(elsewhere.claims))
    assert elsewhere.killed == 1
    with database.write() as session:
        taken = queue.claim(session, "next", 60, now=utcnow())
    assert taken is not None and (taken.job_id, taken.fence) == (job_id, 2)
    assert _job(database, job_id).attempts == 1


# SQLite alone: what the executor's process does reaches the database as every job above, on both.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="module")
@pytest.mark.slow
def test_the_local_executor_names_errors_stays_warm_and_survives_a_killed_job(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    good = build_tiny("whisper", tmp_path / "good", width=16, n_layers=1)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text((good / "config.json").read_text())
    executors: list[LocalExecutor] = []

    def opened(given: Settings) -> LocalExecutor:
        executors.append(LocalExecutor(given))
        return executors[0]

    failing, fine = _enqueue(database, _project(database, str(empty), "bad")), 0
    with _working(settings.model_copy(update={"job_lease_s": 30}), opened):
        _until(lambda: _job(database, failing).state == "failed")
        first_child = executors[0]._child.pid
        fine = _enqueue(database, _project(database, str(good), "good"))
        _until(lambda: _job(database, fine).state == "succeeded")
        assert executors[0]._child.pid == first_child
        os.kill(first_child, signal.SIGKILL)
        again = _enqueue(database, _project(database, str(good), "again"))
        _until(lambda: _job(database, again).state == "succeeded")
        assert executors[0]._child.pid != first_child
    error = _job(database, failing).error
    assert error is not None and error["name"] == "EncoderError"
    assert "no weights" in error["detail"]
    results = [_job(database, job_id).result for job_id in (fine, again)]
    assert [result and (result["clips"], result["embedded"]) for result in results] == [(0, 0), (0, 0)]
    assert executors[0]._child.poll() is not None


def test_a_full_disk_has_a_name_and_a_remedy() -> None:
    name, detail = describe(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert (name, detail) == ("DiskFullError", "no space left on the disk (/data/x): free some, then retry")


def test_an_error_without_a_sentence_still_says_what_it_was() -> None:
    assert describe(ValueError()) == ("ValueError", "ValueError()")


def test_the_worker_imports_no_science() -> None:

    heavy = "torch", "sklearn", "transformers", "modAL", "peft"
    code = f"import sys, app.worker; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
