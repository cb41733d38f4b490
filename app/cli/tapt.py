"""`afterloop tapt`: adapt a project's encoder to its own unlabeled audio, and see whether it helped."""

import time
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from app.db import Database

app = typer.Typer(no_args_is_help=True, help="Adapt a project's encoder to its own unlabeled audio.")
PROJECT = typer.Argument(help="Name of the project.")
ACTIVATE = typer.Option("if_not_worse", help="Use the adapted encoder: always, if_not_worse, or never.")
MARGIN = typer.Option(0.0, min=0, max=0.99, help="How far the probe's UAR may fall: 0.01 is a point.")
SEEDS = typer.Option(5, min=2, max=50, help="Speaker-disjoint folds the probe is measured on.")
Activate = Literal["always", "if_not_worse", "never"]
LOOK_S = 0.5


@app.command()
def run(
    project: str = PROJECT,
    objective: str | None = typer.Option(None, help="masked_units, contrastive or local_attributes."),
    scope: str | None = typer.Option(None, help="What of the encoder learns: everything, last_blocks or lora."),
    steps: int | None = typer.Option(None, min=1, help="Optimiser steps."),
    seed: int | None = typer.Option(None, min=0, help="Seed of targets, masks and order."),
    settings: list[str] = typer.Option([], "--set", help="Any field of the recipe, such as objective.units=100."),
    activate: Activate = ACTIVATE,
    margin: float = MARGIN,
    seeds: int = SEEDS,
) -> None:
    """Queue TAPT on the project's training audio; a worker runs it. Without a project: `python -m tapt run`.

    Example: afterloop tapt run calls --objective contrastive --set objective.mask_share=0.07 --steps 500
    """
    from app.adaptation.service import adapt
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.service import find_project
    from tapt.promotion import Guard
    from tapt.recipe import TaptRecipeError
    from tapt.spelled import recipe_of

    given = [f"{name}={value}" for name, value in (("steps", steps), ("seed", seed)) if value is not None]
    try:
        recipe = recipe_of(objective, scope, [*settings, *given])
    except TaptRecipeError as error:
        raise typer.BadParameter(str(error)) from None
    with open_database().write() as session:
        found = find_project(session, project)
        job = adapt(session, found.id, recipe, Guard(activate, margin, seeds), now=utcnow())
    typer.echo(f"job {job.id} is {job.state}")


@app.command()
def resume(job: int = typer.Argument(min=1, help="Id of the job that failed or was cancelled.")) -> None:
    """Go on with a run that was broken off, from its last state, on the clips it began with."""
    from app.adaptation.service import resume as go_on
    from app.cli.opening import open_database
    from app.db import utcnow

    with open_database().write() as session:
        queued = go_on(session, job, now=utcnow())
    typer.echo(f"job {queued.id} is {queued.state}")


@app.command()
def evaluate(
    project: str = PROJECT,
    checkpoint: int | None = typer.Option(None, min=1, help="An adapted encoder; the newest when left out."),
    activate: Activate = typer.Option("never", help="What follows: never leaves all as it is."),
    margin: float = MARGIN,
    seeds: int = SEEDS,
    wait: bool = typer.Option(True, help="Wait for the figures and print them."),
) -> None:
    """Measure an adapted encoder on the labels there are now, beside the one it takes the place of; a worker does it.

    Example: afterloop tapt evaluate calls --seeds 20
    """
    from app.adaptation.service import request_verdict
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.service import find_project
    from tapt.promotion import Guard

    database = open_database()
    with database.write() as session:
        found = find_project(session, project)
        job = request_verdict(session, found.id, checkpoint, Guard(activate, margin, seeds), now=utcnow())
    if not wait:
        typer.echo(f"job {job.id} is {job.state}")
        return
    _print(_follow(database, job.id))


def _follow(database: "Database", job_id: int) -> dict[str, Any]:
    """Wait for an evaluation and return its verdict; an error that a worker named ends the command."""
    from app.adaptation.overview import newest_verdict
    from app.jobs.service import get_job
    from app.models import Checkpoint, JobState

    typer.echo(f"job {job_id}: a worker measures it; Ctrl-C leaves it to the worker", err=True)
    while True:
        with database.read() as session:
            job = get_job(session, job_id)
            if job.state == JobState.SUCCEEDED and job.result is not None:
                verdict = newest_verdict(session.get_one(Checkpoint, job.result["checkpoint_id"]))
                assert verdict is not None, "the job that ended well has stored its verdict"
                return verdict
        if job.state in (JobState.FAILED, JobState.CANCELLED):
            why = (job.error or {}).get("detail", "it was cancelled")
            typer.echo(f"job {job_id} is {job.state}: {why}", err=True)
            raise typer.Exit(1)
        time.sleep(LOOK_S)


def _print(verdict: dict[str, Any]) -> None:
    typer.echo(verdict["sentence"])
    if "labels" in verdict:
        against = "the encoder as named" if verdict["against"] is None else f"checkpoint {verdict['against']}"
        told = f"{verdict['labels']} labels of {verdict['speakers']} speakers, {_layers(verdict)}"
        typer.echo(f"against {against}, on {told}")
    for note in verdict["notes"]:
        typer.echo(f"note: {note}")


def _layers(verdict: dict[str, Any]) -> str:
    """The hidden states the probe read: "layer 2", "layers 1, 2 and 3". A verdict of before names one, as `layer`."""
    *others, last = verdict.get("layers") or [verdict["layer"]]
    return f"layers {', '.join(map(str, others))} and {last}" if others else f"layer {last}"
