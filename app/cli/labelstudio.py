"""`afterloop labelstudio`: annotators who work in Label Studio."""

import typer

app = typer.Typer(no_args_is_help=True, help="Let annotators work in Label Studio.")
PROJECT = typer.Argument(help="Name of the project.")


@app.command()
def connect(
    project: str = PROJECT,
    url: str = typer.Option(help="Where Label Studio is."),
    token: str = typer.Option(help="An access token of it, personal or legacy.", envvar="LABEL_STUDIO_API_KEY"),
    our_url: str = typer.Option(help="Where Label Studio and its annotators' browsers reach this service."),
    their_project: int | None = typer.Option(
        None, help="A project there that asks our scheme; without it one is made."
    ),
    follow: bool = typer.Option(True, help="Push rounds when they are ready, take them back when they close."),
) -> None:
    """Connect a project with one of Label Studio's, and have it call us when somebody answers.

    Example: afterloop labelstudio connect calls --url https://studio.example.org --our-url https://afterloop.example.org
    """
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.label_studio.service import Wish
    from app.label_studio.service import connect as run
    from app.projects.service import find_project
    from app.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    with database.read() as session:
        project_id = find_project(session, project).id
    wish = Wish(url, token, their_project, our_url, follow)
    link = run(database, project_id, wish, settings.webhook_allow_private, now=utcnow())
    typer.echo(f"project {link.their_project} of {link.url} annotates {project}")


@app.command()
def push(project: str = PROJECT) -> None:
    """Give Label Studio every clip the open round asks about, each once.

    Guesses go along where the project shows them to its annotators (its setting `preannotations`).
    """
    from app.cli.opening import open_database
    from app.label_studio.push import push as run
    from app.projects.service import find_project
    from app.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    with database.read() as session:
        project_id = find_project(session, project).id
    *_, report = run(database, project_id, settings.webhook_allow_private)
    typer.echo(f"{report.created} pushed, {report.unchanged} there already, {report.predictions} with a guess")


@app.command()
def pull(project: str = PROJECT) -> None:
    """Take everything that was answered in Label Studio; what is here already is not taken twice.

    Exit code 2 when answers were refused or contradict what the project has.
    """
    from app.cli.opening import open_database
    from app.label_studio.pull import pull as run
    from app.projects.service import find_project
    from app.settings import get_settings

    settings = get_settings()
    database = open_database(settings)
    with database.read() as session:
        project_id = find_project(session, project).id
    *_, report = run(database, project_id, settings.webhook_allow_private)
    typer.echo(
        f"{report.created} created, {report.revised} revised, {report.unchanged} unchanged, "
        f"{report.conflict} in conflict, {report.refused} refused"
    )
    for remark in report.remarks:
        typer.echo(f"{remark.where}: {remark.code}: {remark.detail}", err=True)
    if report.conflict or report.refused:
        raise typer.Exit(2)


@app.command()
def disconnect(project: str = PROJECT) -> None:
    """Forget the connection: its audio addresses end, what was answered stays."""
    from app.cli.opening import open_database
    from app.label_studio.service import disconnect as run
    from app.projects.service import find_project

    with open_database().write() as session:
        run(session, find_project(session, project).id)
    typer.echo(f"{project} is no longer connected")
