"""Writers: requests that wait for the database share a transaction, one after the other.

A commit costs more than what an annotator's request writes, and every thread that waits for a database takes its turn
at Python's lock with each round trip. So the hot routes hand their work to a few threads, one on SQLite: each takes
what waits, runs it in order in one transaction, commits once, and answers everybody. When anything in it fails, the
transaction is rolled back and each piece of work runs again alone, so that one request's error is only its own.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app.db import Database, lost_a_deadlock

log = logging.getLogger(__name__)
ALONE = (1, 32)  # threads, and work a transaction: SQLite has one writer
ABREAST = (2, 16)  # while one waits for the server the other computes; more only take turns at Python's lock
TRIES = 5  # of work alone: who loses a race was beaten by somebody who got on

T = TypeVar("T")
Work = Callable[[Session], Any]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Work, and who waits for it."""

    work: Work
    loop: asyncio.AbstractEventLoop
    outcome: "asyncio.Future[Any]"


class Writer:
    """Runs work of async routes in transactions of its own threads.

    Work must do nothing but read and write through its session: it may run twice, the first time being rolled back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database if database.is_sqlite else _hurried(database)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._count, self._most = ALONE if database.is_sqlite else ABREAST

    @property
    def engine(self) -> Engine:
        """Whose connections the writers use: on PostgreSQL it is their own."""
        return self._database.engine

    async def run(self, work: Callable[[Session], T]) -> T:
        """What `work` returns, once its transaction is committed; what it raises, after nothing of it was stored."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._start()
        self._queue.put(_Waiting(work, loop, outcome))
        return await outcome

    def stop(self) -> None:
        """Finish what waits and end the threads."""
        with self._starting:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()
        if not self._database.is_sqlite:
            self._database.dispose()

    def _start(self) -> None:
        if self._threads:
            return
        with self._starting:
            while len(self._threads) < self._count:
                thread = threading.Thread(target=self._serve, name=f"writer {len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            stopping = False
            while len(batch) < self._most:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stopping = True
                    break
                batch.append(following)
            self._together(batch)
            if stopping:
                return

    def _together(self, batch: list[_Waiting]) -> None:
        try:
            with self._database.write() as session:
                found = [waiting.work(session) for waiting in batch]
        except Exception as error:  # the works are others': each is tried alone, and who asked for it gets its error
            if len(batch) == 1 and not _may_pass(error):
                _tell(batch, [error])
                return
            for waiting in batch:
                _tell([waiting], [self._alone(waiting.work)])
        else:
            _tell(batch, found)

    def _alone(self, work: Work) -> Any:
        """The work's result or its error; while the error may pass, the work is tried again."""
        for tries_left in reversed(range(TRIES)):
            try:
                with self._database.write() as session:
                    return work(session)
            except Exception as error:  # whatever it is, who asked for the work gets it
                if not tries_left or not _may_pass(error):
                    return error
        return None


def _hurried(database: Database) -> Database:
    """The same PostgreSQL by connections of the writers' own."""
    return Database(database.engine.url.render_as_string(hide_password=False), hurried=True)


def _may_pass(error: Exception) -> bool:
    """A race or a deadlock that was lost, whose winner got on, or a connection that had died: the next is a new one."""
    if not isinstance(error, DBAPIError):
        return False
    return isinstance(error, IntegrityError) or error.connection_invalidated or lost_a_deadlock(error)


def _tell(batch: list[_Waiting], found: list[Any]) -> None:
    """Answer everybody who still waits, with one wake-up a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for waiting, result in zip(batch, found, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.outcome, result))
    for loop, outcomes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, outcomes)
        except RuntimeError:
            log.warning("%d answers found nobody: their loop is closed", len(outcomes))


def _settle(outcomes: list[tuple["asyncio.Future[Any]", Any]]) -> None:
    for outcome, result in outcomes:
        if outcome.done():  # the client went away
            continue
        if isinstance(result, Exception):
            outcome.set_exception(result)
        else:
            outcome.set_result(result)
