"""`afterloop annotations`: answers from elsewhere."""

from pathlib import Path
from typing import Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Bring in answers from elsewhere.")


@app.callback()
def annotations() -> None:
    """Bring in answers from elsewhere."""


@app.command("import")
def import_command(
    project: str = typer.Argument(help="Name of the project; its clips must be there."),
    file: Path = typer.Argument(help="JSON lines or CSV as `afterloop export` writes them, or Label Studio's JSON."),
    format: Literal["jsonl", "csv", "label_studio"] = typer.Option("jsonl", help="What the file is."),
    annotator: list[str] = typer.Option(
        [], help="theirs=ours: a name in the file and the account it is. May be repeated."
    ),
    make_accounts: bool = typer.Option(
        True, help="Make an account that cannot sign in for people who have none; otherwise refuse them."
    ),
) -> None:
    """Import answers; a second import of the same creates nothing. What cannot be used is named, the rest goes in.

    Exit code 2 when rows were refused or contradict what the project has.

    Example: afterloop annotations import calls export.json --format label_studio --annotator ann@example.org=ann
    """
    from rich.progress import Progress

    from app.cli.opening import open_database
    from app.imports.annotations import Report, import_annotations
    from app.projects.service import find_project

    mapped = dict(_pair(each) for each in annotator)
    database = open_database()
    with database.read() as session:
        project_id = find_project(session, project).id
    report = Report()
    with Progress() as bars, file.open("rb") as stream:
        row = bars.add_task("import", total=None)
        for report in import_annotations(database, project_id, stream, format, mapped, make_accounts):
            bars.update(row, completed=report.rows)
    typer.echo(
        f"{report.created} created, {report.revised} revised, {report.unchanged} unchanged, {report.rulings} rulings, "
        f"{report.conflict} in conflict, {report.refused} refused"
    )
    for remark in report.remarks:
        typer.echo(f"{remark.where}: {remark.code}: {remark.detail}", err=True)
    if report.conflict or report.refused:
        raise typer.Exit(2)


def _pair(text: str) -> tuple[str, str]:
    theirs, equals, ours = text.partition("=")
    if not (theirs and equals and ours):
        raise typer.BadParameter(f"{text!r}: write theirs=ours", param_hint="--annotator")
    return theirs, ours
