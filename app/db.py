"""Engine, sessions and types: one session per request or job, committed at the edge."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

_DEADLOCK = "40P01"
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Attach UTC where the database returned a naive value."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """All tables; constraints are named by one convention so that both databases migrate alike."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012 - as SQLAlchemy reads it


def lost_a_deadlock(error: DBAPIError) -> bool:
    """Whether PostgreSQL ended this transaction because it and another waited for each other: it may be run again."""
    return getattr(error.orig, "sqlstate", None) == _DEADLOCK


def utcnow() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class Database:
    """An engine and its sessions.

    On SQLite a writer takes the write lock when it begins, not at its first write (a read that later wants to write
    would fail with "database is locked"), and writers of one process queue on a mutex instead of polling the file.
    """

    def __init__(self, url: str, *, hurried: bool = False) -> None:
        """Open the database of a URL.

        Args:
            url: SQLAlchemy's.
            hurried: for the few statements of the hot path on PostgreSQL: it keeps the plan of one it has seen some
                times, whatever the parameters, since planning a claim costs as much as running it; and a connection is
                not asked whether it is alive: who uses it tries again.
        """
        self.engine = _engine(url, hurried)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._session = sessionmaker(self.engine, expire_on_commit=False)
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that never writes."""
        with self._session() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        if not self.is_sqlite:
            with self._session.begin() as session:
                yield session
            return
        with self._writer, self._session() as session:
            session.connection(execution_options={"afterloop_write": True})
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _engine(url: str, hurried: bool) -> Engine:
    if not url.startswith("sqlite"):
        options = {"options": "-c plan_cache_mode=force_generic_plan"} if hurried else {}
        return create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=not hurried, connect_args=options)
    engine = create_engine(url, pool_size=40, connect_args={"check_same_thread": False, "timeout": 30})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("afterloop_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
