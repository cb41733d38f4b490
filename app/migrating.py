"""The database's revision, and Alembic called from Python to change it.

Alembic is imported only to change tables: a process that serves at the newest revision never carries it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from app.errors import AppError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parents[1] / "migrations"


class SchemaError(AppError):
    """The database is not at the revision this code needs."""

    status, name = 503, "schema_out_of_date"


def _config(url: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Create or upgrade the tables; the folder of a SQLite file is made when missing."""
    database = make_url(url)
    if database.get_backend_name() == "sqlite" and database.database:
        Path(database.database).parent.mkdir(parents=True, exist_ok=True)
    from alembic import command

    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the tables back to `revision`; "base" drops them."""
    from alembic import command

    command.downgrade(_config(url), revision)


def head() -> str:
    """The newest revision; the files of `migrations/versions` begin with theirs."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current(url: str) -> str | None:
    """The database's revision, or None when it has no tables yet."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    finally:
        engine.dispose()


def require_head(url: str) -> None:
    """Raise SchemaError unless the database is at the newest revision."""
    found = current(url)
    if found != head():
        raise SchemaError(
            f"the database is at {found or 'no revision'}, this version needs {head()}: run `afterloop db upgrade`"
        )
