"""`afterloop token`: accounts and their bearer tokens, made where the database is."""

from typing import Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Make and revoke bearer tokens.")


@app.command()
def create(
    name: str = typer.Argument(help="Whose token: a person or a program."),
    role: Literal["viewer", "annotator", "operator", "admin"] = typer.Option("annotator", help="What it may do."),
) -> None:
    """Make an account and print its token. It is shown this once; only its hash is kept.

    Example: afterloop token create alice --role admin
    """
    from app.accounts.service import create_account
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.models import Role

    with open_database().write() as session:
        _, token = create_account(session, name=name, role=Role(role), now=utcnow())
    typer.echo(token)


@app.command("list")
def list_command() -> None:
    """List the accounts."""
    from sqlalchemy import select

    from app.cli.opening import open_database
    from app.models import Account

    with open_database().read() as session:
        for account in session.scalars(select(Account).order_by(Account.id)):
            typer.echo(f"{account.id}\t{account.name}\t{account.role}\t{'revoked' if account.revoked_at else 'active'}")
