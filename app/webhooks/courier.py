"""The courier: a thread of the worker process that turns the outbox into deliveries and delivers them.

At least once: a delivery is recorded after its try, so one that was tried and not recorded (a kill -9) is tried again
when its lease ends. Long jobs do not hold it up, and one slow receiver does not hold up the others.
"""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from app.db import Database, utcnow
from app.models import OutboxEvent
from app.settings import Settings
from app.webhooks import deliveries
from app.webhooks.consequences import follow, labels_made
from app.webhooks.pruning import AT_ONCE as PRUNED_AT_ONCE
from app.webhooks.pruning import prune
from app.webhooks.sending import Letter, Outcome, send

log = logging.getLogger(__name__)
AT_ONCE = 4  # webhooks served at the same time
SLACK_S = 30.0
PRUNE_EVERY_S = 600.0


class Courier:
    """Delivers what is due in one database until it is told to stop; any number of them may run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # a batch stops at the first address that does not answer, so it lasts one timeout and some quick answers
        self._lease_s = settings.webhook_timeout_s * deliveries.LETTERS_AT_ONCE + SLACK_S
        if settings.webhook_lease_s is not None:
            self._lease_s = settings.webhook_lease_s
        self._prune_at = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Deliver in a thread of its own while the block runs."""
        stop = threading.Event()
        thread = threading.Thread(target=self.run_forever, args=[stop], name="courier")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def run_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set; tries that run then are ended and recorded first."""
        database = Database(self._settings.url)
        free = threading.Semaphore(AT_ONCE)
        try:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier") as pool:
                while not stop.is_set():
                    self._prune(database)
                    if not self._turn(database, pool, free, stop):
                        stop.wait(self._settings.poll_s)
        finally:
            database.dispose()

    def _turn(
        self, database: Database, pool: ThreadPoolExecutor, free: threading.Semaphore, stop: threading.Event
    ) -> bool:
        """Fan out, and hand one webhook's letters to a thread; whether there was anything to do."""
        try:
            with database.read() as session:
                if not deliveries.anything_to_do(session, now=utcnow()):
                    return False
            events = self._fan_out(database)
            if not free.acquire(timeout=self._settings.poll_s):
                return False
            letters: list[Letter] = []
            try:
                with database.write() as session:
                    letters = deliveries.claim(session, self._lease_s, now=utcnow())
            finally:
                if not letters:
                    free.release()
            if letters:
                pool.submit(self._deliver, database, letters, free, stop)
            return bool(events or letters)
        except DBAPIError as error:  # the database restarts or is busy: the courier outlives that
            log.warning("cannot look for deliveries: %s", error.orig)
            return False

    def _prune(self, database: Database) -> None:
        """Forget what the log keeps no longer, some of it a turn, now and then."""
        if time.monotonic() < self._prune_at:
            return
        try:
            with database.write() as session:
                keep = (self._settings.webhook_log_days, self._settings.webhook_log_most)
                if prune(session, *keep, now=utcnow()) >= PRUNED_AT_ONCE:
                    return  # there may be more: go on at the next turn
        except DBAPIError as error:
            log.warning("the log of deliveries cannot be pruned: %s", error.orig)
        self._prune_at = time.monotonic() + PRUNE_EVERY_S

    def _fan_out(self, database: Database) -> list[OutboxEvent]:
        with database.read() as session:
            events = deliveries.waiting(session)
            made = labels_made(session, events)
        if not events:
            return []
        with database.write() as session:
            ours = deliveries.fan_out(session, [event.id for event in events], now=utcnow())
            follow(session, ours, made, now=utcnow())
        return ours

    def _deliver(
        self, database: Database, letters: list[Letter], free: threading.Semaphore, stop: threading.Event
    ) -> None:
        tried: list[tuple[Letter, Outcome]] = []
        try:
            for letter in letters:
                outcome = send(letter, self._settings.webhook_timeout_s, self._settings.webhook_allow_private)
                tried.append((letter, outcome))
                if outcome.status is None or stop.is_set():  # nobody is there: the others would only wait as long
                    break
            with database.write() as session:
                most, backoff_s = self._settings.webhook_attempts, self._settings.webhook_backoff_s
                deliveries.record(session, tried, most, backoff_s, now=utcnow())
                deliveries.release(session, letters[len(tried) :])
        except DBAPIError as error:  # their lease runs out by itself, and they are tried again
            log.warning("deliveries cannot be recorded: %s", error.orig)
        except Exception:  # a thread of a pool would swallow it
            log.exception("a courier's thread failed")
        finally:
            free.release()
