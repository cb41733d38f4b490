"""Alembic, called from Python: the command line, the demo and the tests build every database through it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from app.errors import AppError

MIGRATIONS = Path(__file__).parents[1] / "migrations"


class SchemaError(AppError):
    """The database is not at the revision this code needs."""

    status, name = 503, "schema_out_of_date"


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Create or upgrade the tables; the folder of a SQLite file is made when missing."""
    database = make_url(url)
    if database.get_backend_name() == "sqlite" and database.database:
        Path(database.database).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the tables back to `revision`; "base" drops them."""
    command.downgrade(_config(url), revision)


def current(url: str) -> str | None:
    """The database's revision, or None when it has no tables yet."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def require_head(url: str) -> None:
    """Raise SchemaError unless the database is at the newest revision."""
    head = ScriptDirectory.from_config(_config(url)).get_current_head()
    found = current(url)
    if found != head:
        raise SchemaError(
            f"the database is at {found or 'no revision'}, this version needs {head}: run `afterloop db upgrade`"
        )
