"""The writer: requests share transactions, and one request's error is only its own."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from app.accounts.service import create_account
from app.db import Database, utcnow
from app.errors import ConflictError
from app.models import Account, Annotation, Role
from app.writer import ABREAST, ALONE, Writer


@pytest.fixture
def writer(database: Database) -> Any:
    writer = Writer(database)
    yield writer
    writer.stop()


def _join(name: str) -> Any:
    def work(session: Session) -> int:
        return create_account(session, name, Role.VIEWER, utcnow())[0].id

    return work


def _names(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Account.name)))


def test_everybody_gets_his_own_result_and_it_is_committed(database: Database, writer: Writer) -> None:
    async def everybody() -> list[int]:
        return await asyncio.gather(*(writer.run(_join(f"p{i}")) for i in range(100)))

    ids = asyncio.run(everybody())
    assert len(set(ids)) == 100
    assert _names(database) == {f"p{i}" for i in range(100)}


def test_what_waits_together_shares_a_transaction(database: Database, writer: Writer) -> None:
    threads, most = ALONE if database.is_sqlite else ABREAST
    commits: list[Any] = []
    event.listen(writer.engine, "commit", commits.append)
    go = threading.Event()

    def slow(session: Session) -> None:
        session.execute(select(Account.id))
        go.wait(5)

    async def everybody() -> None:
        first = [asyncio.ensure_future(writer.run(slow)) for _ in range(threads)]
        await asyncio.sleep(0.2)
        rest = [asyncio.ensure_future(writer.run(_join(f"p{i}"))) for i in range(20)]
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(*first, *rest)

    asyncio.run(everybody())
    assert len(_names(database)) == 20
    assert 0 < len(commits) <= threads + -(-20 // most) + threads


def test_an_error_is_told_to_whom_it_belongs_and_stores_nothing(database: Database, writer: Writer) -> None:
    def refused(session: Session) -> None:
        create_account(session, "nobody", Role.VIEWER, utcnow())
        raise ConflictError("no")

    async def everybody() -> list[Any]:
        work = [_join("a"), refused, _join("b"), _join("a"), _join("c")]
        return await asyncio.gather(*(writer.run(one) for one in work), return_exceptions=True)

    found = asyncio.run(everybody())
    assert [type(one) for one in found] == [int, ConflictError, int, ConflictError, int]
    assert _names(database) == {"a", "b", "c"}


def test_a_database_that_was_restarted_meanwhile_costs_nobody_an_answer(database: Database, writer: Writer) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no connections that a server could end")

    async def everybody(names: str) -> None:
        await asyncio.gather(*(writer.run(_join(name)) for name in names))

    asyncio.run(everybody("abcdefgh"))
    with database.write() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    asyncio.run(everybody("ijklmnop"))
    assert _names(database) == set("abcdefghijklmnop")


def test_who_loses_a_deadlock_tries_again_and_nobody_is_told(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has one writer")
    both_hold, tries = threading.Barrier(2, timeout=10), list[str]()

    def crossing(name: str, first: int, then: int) -> Callable[[Session], int]:
        def work(session: Session) -> int:
            tries.append(name)
            session.execute(text("SELECT pg_advisory_xact_lock(99, :key)"), {"key": first})
            if tries.count(name) == 1:
                both_hold.wait()
            session.execute(text("SELECT pg_advisory_xact_lock(99, :key)"), {"key": then})
            return _join(name)(session)

        return work

    async def everybody() -> list[int]:
        return await asyncio.gather(one.run(crossing("a", 1, 2)), other.run(crossing("b", 2, 1)))

    one, other = Writer(database), Writer(database)
    try:
        assert all(asyncio.run(everybody()))
    finally:
        one.stop()
        other.stop()
    assert sorted(tries) in (["a", "a", "b"], ["a", "b", "b"])
    assert _names(database) == {"a", "b"}


def test_it_starts_again_after_it_was_stopped(database: Database, writer: Writer) -> None:
    asyncio.run(writer.run(_join("a")))
    writer.stop()
    writer.stop()
    asyncio.run(writer.run(_join("b")))
    assert _names(database) == {"a", "b"}


def test_one_annotator_in_many_tabs_holds_a_clip_once_and_answers_it_once(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, room = person("alice"), annotating(api.db, clips=6, overlap=3)
    person("bob")
    found: list[list[dict[str, Any]]] = []
    tabs = [threading.Thread(target=lambda: found.append(alice.lease(room.project_id, 2))) for _ in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    leases = [lease for some in found for lease in some]
    assert sorted(lease["clip_id"] for lease in leases) == sorted(room.clip_ids)
    statuses: list[int] = []
    tabs = [
        threading.Thread(target=lambda: statuses.append(alice.say(leases[0], "anger", key="same").status_code))
        for _ in range(8)
    ]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert statuses == [201] * 8
    with api.db.read() as session:
        assert len(session.scalars(select(Annotation)).all()) == 1
