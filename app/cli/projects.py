"""`afterloop project`: make, list and show projects."""

from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, help="Make, list and show projects.")


@app.command()
def create(
    name: str = typer.Argument(help="Unique among projects."),
    classes: str = typer.Option(help="The scheme's classes in order, with commas between them."),
    encoder: str = typer.Option(help="Hugging Face id, or a folder."),
    instructions: str = typer.Option("", help="What annotators are told."),
    layer: int = typer.Option(-1, help="Hidden state the probe reads; -1 is the last."),
    normalise_speakers: bool = typer.Option(False, help="Normalise embeddings per speaker, without labels."),
    strategy: str = typer.Option("coverage_then_margin", help="A query strategy, or module:name of a modAL callable."),
    batch_size: int = typer.Option(50, min=1, help="Labels a round."),
    overlap: int = typer.Option(1, min=1, help="Annotators who answer one clip."),
    control_share: float = typer.Option(
        0.0, min=0, max=1, help="Size of the random control arm beside the strategy's."
    ),
    budget: int | None = typer.Option(None, min=0, help="Labels the project may buy in all."),
    seed: int = typer.Option(0, min=0, help="Seed of every random choice."),
) -> None:
    """Make a project and print its id.

    Example: afterloop project create calls --classes anger,neutral,sadness --encoder openai/whisper-tiny.en --layer 2
    """
    from al_core.recipe import Recipe
    from al_core.scheme import Scheme
    from al_core.strategies.specs import parse_strategy
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.service import create_project

    with open_database().write() as session:
        project = create_project(
            session,
            name=name,
            scheme=Scheme(tuple(part.strip() for part in classes.split(","))),
            encoder=str(Path(encoder).resolve()) if Path(encoder).exists() else encoder,
            instructions=instructions,
            recipe=Recipe(layer=layer, normalise_speakers=normalise_speakers),
            strategy=parse_strategy(strategy),
            batch_size=batch_size,
            overlap=overlap,
            control_share=control_share,
            budget=budget,
            seed=seed,
            now=utcnow(),
        )
    typer.echo(project.id)


@app.command("list")
def list_command() -> None:
    """List the projects."""
    from rich.console import Console
    from rich.table import Table

    from app.cli.opening import open_database
    from app.projects.service import list_projects

    table = Table("id", "name", "classes", "encoder", "clips a round", "created")
    with open_database().read() as session:
        for project in list_projects(session):
            table.add_row(
                str(project.id),
                project.name,
                ", ".join(project.scheme["classes"]),
                project.encoder,
                str(project.batch_size),
                f"{project.created_at:%Y-%m-%d}",
            )
    Console().print(table)
