"""Open the project's database for a command: SQLite is brought up to date, a team's database must be already."""

from pathlib import Path

from sqlalchemy.engine import make_url

from app.db import Database
from app.migrating import current, head, require_head, upgrade
from app.settings import Settings, get_settings


def open_database(settings: Settings | None = None) -> Database:
    """The database of the settings, at the newest revision."""
    settings = settings or get_settings()
    if settings.url.startswith("sqlite"):
        _upgrade_if_old(settings.url)
    else:
        require_head(settings.url)
    return Database(settings.url)


def _upgrade_if_old(url: str) -> None:
    path = make_url(url).database
    if not path or not Path(path).exists() or current(url) != head():
        upgrade(url)
