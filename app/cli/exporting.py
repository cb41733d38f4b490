"""`afterloop export`: annotations, labels and decisions out, in seven formats."""

import sys
from pathlib import Path
from typing import Literal

import typer


def export(
    project: str = typer.Argument(help="Name of the project."),
    what: Literal["annotations", "labels", "adjudications"] = typer.Option(
        "annotations", help="Every answer, what the answers add up to, or every decision of an adjudicator."
    ),
    format: Literal["jsonl", "csv", "label_studio", "parquet", "audformat", "datasets"] = typer.Option(
        "jsonl", help="JSON lines, CSV, Label Studio's JSON, Parquet, or a ZIP of an audformat or datasets folder."
    ),
    audio: bool = typer.Option(False, help="Carry the audio too: audformat and datasets can."),
    output: Path | None = typer.Option(None, help="A file; standard output without it, for the text formats."),
) -> None:
    """Write a project's annotations, labels or decisions as they are at one moment, in constant memory.

    With --output the SHA-256 of the file is printed: the same content has the same one.

    Example: afterloop export calls --format datasets --audio --output calls.zip
    """
    from app.cli.opening import open_database
    from app.exports.formats import WITH_AUDIO, write
    from app.exports.source import frozen
    from app.projects.service import find_project
    from app.settings import get_settings
    from app.storage import Storage, digest

    if output is None and format in ("parquet", "audformat", "datasets"):
        raise typer.BadParameter(f"{format} is no text: name a file", param_hint="--output")
    if audio and format not in WITH_AUDIO:
        raise typer.BadParameter(f"{format} carries no audio: use {' or '.join(WITH_AUDIO)}", param_hint="--audio")
    settings = get_settings()
    database = open_database(settings)
    with database.read() as session:
        project_id = find_project(session, project).id
    with frozen(database, project_id, Storage(settings.blobs) if audio else None) as source:
        if output is None:
            write(source, what, format, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        with output.open("w+b") as target:
            n = write(source, what, format, target)
    typer.echo(f"{n} rows, sha256 {digest(output)}", err=True)
