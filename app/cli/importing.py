"""`afterloop import` and `afterloop export`: audio and labels in, annotations and labels out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from app.imports.service import ImportReport


def import_corpus(
    project: str = typer.Argument(help="Name of the project."),
    path: Path = typer.Argument(help="A manifest.csv, a corpus folder in a known convention, or a folder of audio."),
    labels: Literal["evaluation", "all", "none"] = typer.Option(
        "evaluation", help="Labels to keep: of dev and test clips, of all clips (a labelled seed set), or none."
    ),
) -> None:
    """Import audio; a second import of the same creates nothing twice. What cannot be used is named, the rest goes in.

    Exit code 2 when clips were refused or conflict with what the project has.

    Example: afterloop import calls corpus/manifest.csv
    """
    from rich.progress import Progress

    from app.cli.opening import open_database
    from app.db import utcnow
    from app.imports.service import ImportReport
    from app.imports.service import import_corpus as run
    from app.jobs.queue import enqueue
    from app.projects.service import find_project
    from app.settings import get_settings
    from app.storage import Storage

    settings = get_settings()
    database = open_database(settings)
    with database.read() as session:
        project_id = find_project(session, project).id
    report = ImportReport()
    with Progress() as bars:
        row = bars.add_task("import", total=None)
        storage = Storage(settings.blobs)
        for now in run(database, storage, project_id, path, labels, settings.max_clip_s):
            bars.update(row, completed=now.done, total=now.total)
            report = now.report
    if report.created:
        with database.write() as session:
            enqueue(session, "embed", project_id, now=utcnow())
    _tell(report)
    if report.refused or report.conflicts:
        raise typer.Exit(2)


def _tell(report: "ImportReport") -> None:
    typer.echo(
        f"{report.created} created, {report.unchanged} unchanged, "
        f"{len(report.conflicts)} in conflict, {len(report.refused)} refused"
    )
    for heading, remarks in (("conflict", report.conflicts), ("refused", report.refused)):
        for remark in remarks:
            typer.echo(f"{heading}: {remark.where}: {remark.detail}", err=True)


def export(
    project: str = typer.Argument(help="Name of the project."),
    what: Literal["annotations", "labels"] = typer.Option(
        "annotations", help="Every answer, or what the answers add up to."
    ),
    format: Literal["jsonl", "csv"] = typer.Option("jsonl", help="JSON lines, or CSV."),
    output: Path | None = typer.Option(None, help="A file; standard output without it."),
) -> None:
    """Stream a project's annotations or labels.

    Example: afterloop export calls --what labels --format csv --output labels.csv
    """
    from app.cli.opening import open_database
    from app.exports.service import export as lines
    from app.projects.service import find_project

    database = open_database()
    with database.read() as session:
        project_id = find_project(session, project).id
    stream = output.open("w", encoding="utf-8") if output else sys.stdout
    try:
        stream.writelines(lines(database, project_id, what, format))
    finally:
        if output:
            stream.close()
