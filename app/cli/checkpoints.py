"""`afterloop checkpoint`: list, promote and examine checkpoints."""

import typer

app = typer.Typer(no_args_is_help=True, help="List, promote and examine checkpoints.")
CHECKPOINT = typer.Argument(min=1, help="Id of the checkpoint.")


@app.command("list")
def list_command(project: str = typer.Argument(help="Name of the project.")) -> None:
    """Checkpoints of a project: what was trained, on how many labels, what was decided, and what is in use."""
    from rich.console import Console
    from rich.table import Table

    from app.checkpoints.service import list_checkpoints
    from app.cli.opening import open_database
    from app.projects.service import find_project

    table = Table("id", "arm", "method", "labels", "trained weights", "in use", "notes")
    with open_database().read() as session:
        for found in list_checkpoints(session, find_project(session, project).id, after=0, limit=10_000):
            table.add_row(
                str(found.id),
                found.arm or found.kind,
                found.recipe.get("method", {}).get("kind", "TAPT"),
                str(found.report.get("n_labels", "")),
                str(found.report.get("n_trainable", "")),
                "yes" if found.promoted_at else "",
                "; ".join(found.report.get("notes", [])),
            )
    Console().print(table)


@app.command()
def promote(checkpoint: int = CHECKPOINT) -> None:
    """Put a checkpoint to use: a classifier answers predictions, an adapted encoder serves later rounds."""
    from app.checkpoints.service import promote as put_to_use
    from app.cli.opening import open_database
    from app.db import utcnow

    with open_database().write() as session:
        found = put_to_use(session, checkpoint, now=utcnow())
    typer.echo(f"checkpoint {found.id} is in use")


@app.command()
def examine(
    checkpoint: int = CHECKPOINT,
    split: str = typer.Option("test", help="dev or test."),
    snr: str = typer.Option("20,10,5,0", help="Signal-to-noise ratios in decibels, with commas; empty for none."),
    noise: str = typer.Option("white", help="white, or recordings: those in the folder AFTERLOOP_NOISE."),
) -> None:
    """Queue figures on a split: clean, under noise, and between groups. They appear on the checkpoint's page.

    Example: afterloop checkpoint examine 5 --snr 20,10,5,0
    """
    from pydantic import ValidationError

    from app.checkpoints.schemas import EvaluationRequest
    from app.checkpoints.service import request_examination
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.settings import get_settings

    try:
        ratios = [one for one in snr.split(",") if one]
        asked = EvaluationRequest.model_validate({"split": split, "snr_db": ratios, "noise": noise})
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    recordings = asked.wants_recordings(get_settings())
    with open_database().write() as session:
        job = request_examination(session, checkpoint, asked.split, asked.snr_db, recordings, now=utcnow())
    typer.echo(f"job {job.id} is {job.state}")
