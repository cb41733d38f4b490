"""`afterloop import`: audio and the labels that come with it."""

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
