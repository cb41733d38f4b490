"""`afterloop round`: open, watch and close rounds."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from app.curves.schemas import PointOut

app = typer.Typer(no_args_is_help=True, help="Open, watch and close rounds.")
PROJECT = typer.Argument(help="Name of the project.")


@app.command()
def start(
    project: str = PROJECT,
    strategy: str | None = typer.Option(None, help="Another strategy than the project's, for this round."),
    batch_size: int | None = typer.Option(None, min=1, help="Another number of labels, for this round."),
    recipe: Path | None = typer.Option(
        None, exists=True, dir_okay=False, help="A JSON file with another recipe, for this round."
    ),
) -> None:
    """Open the next round; a worker picks the clips, then annotators see them.

    Example: afterloop round start calls --strategy badge
    """
    from al_core.strategies.specs import parse_strategy
    from app.cli import reading
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.checks import check_precision
    from app.projects.service import find_project
    from app.rounds.service import open_round
    from app.settings import get_settings

    chosen = parse_strategy(strategy) if strategy else None
    trained = None if recipe is None else reading.recipe(recipe)
    if trained is not None:
        check_precision(trained, get_settings())
    with open_database().write() as session:
        found = find_project(session, project)
        opened = open_round(session, found.id, strategy=chosen, recipe=trained, batch_size=batch_size, now=utcnow())
    typer.echo(f"round {opened.number} is {opened.state}")


@app.command("list")
def list_command(project: str = PROJECT) -> None:
    """Rounds of a project with what their labels bought."""
    from rich.console import Console
    from rich.table import Table

    from app.cli.opening import open_database
    from app.curves.service import curve
    from app.projects.service import find_project
    from app.rounds.service import list_rounds

    table = Table("round", "state", "strategy", "labels", "UAR or CCC", "control", "warnings")
    with open_database().read() as session:
        found = find_project(session, project)
        points = {(point.round_id, str(point.arm)): point for point in curve(session, found.id).points}
        for turn in list_rounds(session, found.id, after=0, limit=10_000):
            chosen, control = points.get((turn.id, "strategy")), points.get((turn.id, "control"))
            table.add_row(
                str(turn.number),
                turn.state,
                turn.strategy["kind"],
                str(chosen.n_labels) if chosen else "",
                _figure(chosen),
                _figure(control),
                "; ".join(turn.warnings),
            )
    Console().print(table)


def _figure(point: "PointOut | None") -> str:
    """UAR in per cent, or the mean CCC where the scheme has no classes."""
    if point is None:
        return ""
    if point.uar is not None:
        return f"{100 * point.uar:.1f}"
    found = [one["ccc"] for one in point.figures["dimensions"]]
    return f"CCC {sum(found) / len(found):.2f}"


@app.command()
def close(project: str = PROJECT) -> None:
    """Stop waiting for answers and fine-tune on those that came."""
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.errors import ConflictError
    from app.projects.service import find_project
    from app.rounds.service import close_round, list_rounds

    with open_database().write() as session:
        found = find_project(session, project)
        rounds = list_rounds(session, found.id, after=0, limit=10_000)
        if not rounds:
            raise ConflictError(f"project {project!r} has no round: start one first")
        closed = close_round(session, rounds[-1].id, now=utcnow())
    typer.echo(f"round {closed.number} is {closed.state}")


@app.command()
def replay(
    project: str = PROJECT,
    number: int | None = typer.Option(None, "--round", min=0, help="Number of the round; the newest if left out."),
) -> None:
    """Draw a round's batch again from its receipts, here: the same bit for bit, or what differs and exit code 2.

    It needs the data folder with the encoder and the checkpoint that was asked, and changes nothing.

    Example: afterloop round replay calls --round 3
    """
    from app.cli.opening import open_database
    from app.jobs.replay import replay_here
    from app.projects.service import find_project
    from app.rounds.service import find_round
    from app.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    with database.read() as session:
        turn = find_round(session, find_project(session, project).id, number)
    found = replay_here(settings, database, turn)
    typer.echo(found.sentence)
    if not found.same:
        raise typer.Exit(2)
