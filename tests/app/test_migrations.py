"""The revisions build exactly the tables the models describe, on both databases."""

import pytest
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from app.db import Base, Database
from app.migrating import downgrade, upgrade


def _sqlite_schema(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'")
    )
    return {name: " ".join(sql.split()) for name, sql in rows if not sql.startswith("CREATE TABLE")}


def _constraints(connection: Connection) -> set[tuple[str, ...]]:
    """Every named constraint and index; the texts of checks as the database gives them."""
    inspector = inspect(connection)
    found = set()
    for table in Base.metadata.tables:
        found |= {(table, "check", one["name"], one["sqltext"]) for one in inspector.get_check_constraints(table)}
        found |= {
            (table, "unique", one["name"], *one["column_names"]) for one in inspector.get_unique_constraints(table)
        }
        found |= {(table, "index", one["name"], str(one["unique"])) for one in inspector.get_indexes(table)}
        found |= {(table, "key", one["name"], str(one["options"])) for one in inspector.get_foreign_keys(table)}
    return found


@pytest.fixture
def from_models(database: Database, tmp_path):
    """The same kind of database, built from the models without a revision, beside the migrated one."""
    if database.is_sqlite:
        engine = create_engine(f"sqlite:///{tmp_path / 'models.db'}")
        with engine.begin() as connection:
            Base.metadata.create_all(connection)
            yield connection
        engine.dispose()
        return
    with database.engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA models"))
        connection.execute(text("SET search_path TO models"))
        Base.metadata.create_all(connection)
        yield connection
        connection.rollback()


def test_every_constraint_and_index_of_the_models_is_in_the_revisions(database, from_models):
    with database.engine.connect() as migrated:
        assert _constraints(migrated) == _constraints(from_models)
        if database.is_sqlite:
            assert _sqlite_schema(migrated) == _sqlite_schema(from_models)


def test_down_leaves_nothing_and_up_builds_it_again(database, database_url):
    downgrade(database_url, "base")
    with database.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    upgrade(database_url)
    with database.engine.connect() as connection:
        assert set(Base.metadata.tables) <= set(inspect(connection).get_table_names())


def test_the_database_keeps_foreign_keys(database):
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(
            text("INSERT INTO job_events (job_id, report, created_at) VALUES (1, '{}', '2026-01-31 00:00:00')")
        )
