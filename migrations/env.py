"""Alembic's entry: which database, which tables, and how our types are written into a revision."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, create_engine, pool

import app.models  # noqa: F401 - fills Base.metadata
from app.db import Base, UtcDateTime
from app.settings import get_settings


def _url() -> str:
    given: str | None = context.config.attributes.get("url")
    return given or get_settings().url


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our column type as the plain one it is in the database: a revision never imports the application."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def _configure(**where: Any) -> None:
    context.configure(
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite changes a table by copying it
        render_item=_render,
        compare_type=True,
        **where,
    )


def _run(connection: Connection) -> None:
    _configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _configure(url=_url(), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        _run(connection)
    engine.dispose()
