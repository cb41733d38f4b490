"""`afterloop db`: bring the database's tables up or down."""

import typer

from app.migrating import current, downgrade, upgrade
from app.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Bring the database's tables up or down.")


@app.command("upgrade")
def upgrade_command(revision: str = typer.Argument("head", help="Where to stop.")) -> None:
    """Create or upgrade the tables. Run it once before the API and the workers of a team start."""
    upgrade(get_settings().url, revision)
    typer.echo(f"database is at {current(get_settings().url)}")


@app.command("downgrade")
def downgrade_command(revision: str = typer.Argument(help="A revision, or `base` to drop every table.")) -> None:
    """Take the tables back to an earlier revision."""
    downgrade(get_settings().url, revision)
    typer.echo(f"database is at {current(get_settings().url) or 'base'}")


@app.command("current")
def current_command() -> None:
    """Print the database's revision."""
    typer.echo(current(get_settings().url) or "base")
