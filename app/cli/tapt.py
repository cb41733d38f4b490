"""`afterloop tapt`: adapt a project's encoder to its own unlabeled audio."""

import typer

app = typer.Typer(no_args_is_help=True, help="Adapt a project's encoder to its own unlabeled audio.")


@app.command()
def start(
    project: str = typer.Argument(help="Name of the project."),
    steps: int = typer.Option(100, min=1, help="Optimiser steps."),
    seed: int = typer.Option(0, min=0, help="Seed of units, masks and order."),
) -> None:
    """Queue TAPT on the project's training audio; a worker runs it. Without a project: `python -m tapt`.

    Example: afterloop tapt start calls --steps 500
    """
    from app.adaptation.service import adapt
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.service import find_project
    from tapt.recipe import TaptRecipe

    with open_database().write() as session:
        found = find_project(session, project)
        job = adapt(session, found.id, TaptRecipe(steps=steps, seed=seed), activate=True, now=utcnow())
    typer.echo(f"job {job.id} is {job.state}")
