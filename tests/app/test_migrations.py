"""The revisions build exactly the tables the models describe, on both databases."""

import json

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from app.db import Base, Database
from app.migrating import MIGRATIONS, downgrade, head, upgrade
from app.specs import read_recipe


def test_the_newest_revision_is_known_without_alembic():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == head()


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


def _project(connection: Connection, recipe: dict[str, object]) -> None:
    row = {
        "id": 1, "name": "p", "scheme": "{}", "instructions": "", "encoder": "e", "recipe": json.dumps(recipe),
        "strategy": "{}", "batch_size": 1, "overlap": 1, "lease_s": 1, "control_share": 0, "seed": 0,
        "created_at": "2026-01-31 00:00:00",
    }  # fmt: skip
    places = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO projects ({', '.join(row)}) VALUES ({places})"), row)


def _recipe(connection: Connection) -> object:
    stored = connection.execute(text("SELECT recipe FROM projects")).scalar_one()
    return json.loads(stored) if isinstance(stored, str) else stored


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"method": {"kind": "last_k", "k": 2, "cache": "float32"}},
            {"method": {"kind": "last_k", "k": 2}, "cache": "float32"},
        ),
        ({"method": {"kind": "probe", "c": 0.1}}, {"method": {"kind": "probe", "c": 0.1}}),
    ],
)
def test_the_cache_of_a_stored_recipe_moves_up_and_back(database, database_url, before, after):
    downgrade(database_url, "0001")
    with database.engine.begin() as connection:
        _project(connection, {"layer": -1} | before)
    upgrade(database_url)
    with database.engine.connect() as connection:
        assert _recipe(connection) == {"layer": -1} | after
        assert read_recipe(_recipe(connection)).cache == after.get("cache", "float16")
        assert connection.execute(text("SELECT fairness FROM projects")).scalar_one() is None
    downgrade(database_url, "0001")
    with database.engine.connect() as connection:
        assert _recipe(connection) == {"layer": -1} | before
    upgrade(database_url)
