"""Composition root of the worker process: claim, have it run, heartbeat, finish or hand back. Imports no science."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from app.db import Database, utcnow
from app.jobs import queue
from app.jobs.executor import Executor
from app.jobs.local import LocalExecutor
from app.jobs.queue import Claim, LeaseLostError, Pulse
from app.settings import Settings
from app.webhooks.courier import Courier

log = logging.getLogger(__name__)
LONGEST_BEAT_S = 2.0  # a cancellation is noticed at the next beat


class Worker:
    """Runs the jobs of one database, one at a time: as a thread beside the API, or as a process of its own."""

    def __init__(self, settings: Settings, open_executor: Callable[[Settings], Executor] = LocalExecutor) -> None:
        self._settings, self._open_executor = settings, open_executor
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._beat_s = min(settings.job_lease_s / 3, LONGEST_BEAT_S)

    def run_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a job that is running then is handed back to the next worker."""
        database, executor = Database(self._settings.url), self._open_executor(self._settings)
        try:
            with Courier(self._settings).running():  # webhooks do not wait for long jobs
                while not stop.is_set():
                    claim = self._claim(database)
                    if claim is None:
                        stop.wait(self._settings.poll_s)
                    else:
                        self._see_through(database, executor, claim, stop)
        finally:
            executor.close()
            database.dispose()

    def _claim(self, database: Database) -> Claim | None:
        try:
            with database.read() as session:
                if not queue.any_claimable(session, now=utcnow()):
                    return None
            with database.write() as session:
                return queue.claim(session, self._name, self._settings.job_lease_s, now=utcnow())
        except DBAPIError as error:  # the database restarts or is busy: the worker outlives that
            log.warning("cannot look for jobs: %s", error.orig)
            return None

    def _see_through(self, database: Database, executor: Executor, claim: Claim, stop: threading.Event) -> None:
        try:
            executor.start(claim)
        except OSError as error:  # no memory or descriptors for a process now: somebody may have them later
            log.error("job %s cannot be started: %s", claim.job_id, error)
            self._hand_back(database, claim, attempt_counts=True)
            return
        next_beat = time.monotonic() + self._beat_s
        while (outcome := executor.wait(min(self._beat_s, self._settings.poll_s))) is None:
            if stop.is_set():
                executor.kill()
                self._hand_back(database, claim, attempt_counts=False)
                return
            if time.monotonic() < next_beat:
                continue
            next_beat = time.monotonic() + self._beat_s
            pulse = self._beat(database, claim)
            if pulse == "lost" and executor.wait(LONGEST_BEAT_S) is not None:
                return  # it was not taken away: it ended in the moment before this beat
            if pulse != "beating":
                log.info("job %s: %s, its process is killed", claim.job_id, pulse)
                executor.kill()
                self._end_cancelled(database, claim)
                return
        if outcome == "died":
            self._hand_back(database, claim, attempt_counts=True)

    def _beat(self, database: Database, claim: Claim) -> Pulse:
        try:
            with database.write() as session:
                return queue.heartbeat(session, claim.job_id, claim.fence, self._settings.job_lease_s, now=utcnow())
        except DBAPIError as error:  # try again at the next beat: the lease is longer than one
            log.warning("job %s: no heartbeat, %s", claim.job_id, error.orig)
            return "beating"

    def _end_cancelled(self, database: Database, claim: Claim) -> None:
        try:
            with database.write() as session:
                queue.cancelled(session, claim.job_id, claim.fence, now=utcnow())
        except LeaseLostError as lost:
            log.info("%s", lost)

    def _hand_back(self, database: Database, claim: Claim, *, attempt_counts: bool) -> None:
        try:
            with database.write() as session:
                queue.hand_back(session, claim.job_id, claim.fence, attempt_counts=attempt_counts, now=utcnow())
        except LeaseLostError as lost:  # it ended in the same moment
            log.info("%s", lost)
        except DBAPIError as error:  # its lease runs out by itself
            log.warning("job %s cannot be handed back: %s", claim.job_id, error.orig)
