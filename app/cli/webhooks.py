"""`afterloop webhook`: tell another program what happens in a project."""

from typing import cast

import typer

app = typer.Typer(no_args_is_help=True, help="Tell another program what happens in a project.")
PROJECT = typer.Argument(help="Name of the project.")


@app.command()
def add(
    project: str = PROJECT,
    url: str = typer.Argument(help="An http or https address outside this network."),
    kind: list[str] = typer.Option([], help="An event it is told of, such as round.ready; all of them without it."),
) -> None:
    """Have events POSTed to an address, and print the secret that signs them. It is shown this once.

    Example: afterloop webhook add calls https://example.org/hook --kind round.ready --kind label.created
    """
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.service import find_project
    from app.settings import get_settings
    from app.webhooks.addresses import resolve
    from app.webhooks.outbox import KINDS, EventKind
    from app.webhooks.service import create_webhook

    unknown = [each for each in kind if each not in KINDS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no event: use {', '.join(KINDS)}", param_hint="--kind")
    settings = get_settings()
    resolve(url, settings.webhook_allow_private)
    with open_database(settings).write() as session:
        found = find_project(session, project)
        made = create_webhook(session, found.id, url, cast(list[EventKind], kind), now=utcnow())
    typer.echo(f"webhook {made.id}", err=True)
    typer.echo(made.secret)


@app.command("list")
def list_command(project: str = PROJECT) -> None:
    """List a project's webhooks with what they were sent."""
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import func, select

    from app.cli.opening import open_database
    from app.models import Delivery
    from app.projects.service import find_project
    from app.webhooks.service import list_webhooks

    table = Table("id", "url", "events", "delivered", "pending", "given up")
    with open_database().read() as session:
        for hook in list_webhooks(session, find_project(session, project).id, after=0, limit=10_000):
            counted = (
                select(Delivery.state, func.count().label("n"))
                .where(Delivery.webhook_id == hook.id)
                .group_by(Delivery.state)
            )
            states = {row.state: row.n for row in session.execute(counted)}
            counts = (str(states.get(state, 0)) for state in ("delivered", "pending", "given_up"))
            paused = " (paused)" if hook.paused_at else ""
            table.add_row(str(hook.id), hook.url + paused, ", ".join(hook.kinds) or "all", *counts)
    Console().print(table)


@app.command()
def log(webhook: int = typer.Argument(help="Its id."), last: int = typer.Option(20, min=1, help="How many.")) -> None:
    """Print the newest tries of a webhook's deliveries."""
    from sqlalchemy import select

    from app.cli.opening import open_database
    from app.models import Delivery, DeliveryAttempt, OutboxEvent
    from app.webhooks.service import get_webhook

    newest = (
        select(DeliveryAttempt, Delivery, OutboxEvent)
        .join(Delivery, Delivery.id == DeliveryAttempt.delivery_id)
        .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
        .where(Delivery.webhook_id == webhook)
        .order_by(DeliveryAttempt.id.desc())
        .limit(last)
    )
    with open_database().read() as session:
        get_webhook(session, webhook)
        for attempt, delivery, event in reversed(session.execute(newest).all()):
            status = attempt.status or "no answer"
            typer.echo(
                f"{attempt.created_at:%Y-%m-%d %H:%M:%S}\t{event.kind}\t{status}\t{delivery.state}\t{attempt.detail}"
            )


@app.command()
def replay(webhook: int = typer.Argument(help="Its id.")) -> None:
    """Send everything again that was given up, once the receiver is mended."""
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.webhooks.service import replay_given_up

    with open_database().write() as session:
        n = replay_given_up(session, webhook, now=utcnow())
    typer.echo(f"{n} deliveries are sent again")
