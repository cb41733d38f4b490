"""Open the project's database for a command: SQLite is brought up to date, a team's database must be already."""

from app.db import Database
from app.migrating import require_head, upgrade
from app.settings import Settings, get_settings


def open_database(settings: Settings | None = None) -> Database:
    """The database of the settings, at the newest revision."""
    settings = settings or get_settings()
    if settings.url.startswith("sqlite"):
        upgrade(settings.url)
    else:
        require_head(settings.url)
    return Database(settings.url)
