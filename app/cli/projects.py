"""`afterloop project`: make, change and list projects."""

from pathlib import Path
from typing import Any

import typer

app = typer.Typer(no_args_is_help=True, help="Make, change and list projects.")
DIMENSIONS = typer.Option([], help="The scheme's dimensions and their ranges: arousal:1:5. May be repeated.")
FAIRNESS = typer.Option([], help="Groups to compare, and the gap that is a warning: gender,language:0.1.")
RECIPE = typer.Option(
    None, exists=True, dir_okay=False, help="A JSON file with the recipe: how checkpoints are trained."
)


@app.command()
def create(
    name: str = typer.Argument(help="Unique among projects."),
    classes: str = typer.Option("", help="The scheme's classes in order, with commas between them."),
    dimensions: list[str] = DIMENSIONS,
    encoder: str = typer.Option(help="Hugging Face id, or a folder."),
    instructions: str = typer.Option("", help="What annotators are told."),
    recipe: Path | None = RECIPE,
    layer: int | None = typer.Option(None, help="The one hidden state the probe reads, in place of three."),
    normalise_speakers: bool | None = typer.Option(
        None,
        help="Normalise embeddings per speaker, without labels; unless said, where the labels show it does no harm.",
    ),
    strategy: str = typer.Option("coverage_then_margin", help="A query strategy, or module:name of a modAL callable."),
    batch_size: int = typer.Option(50, min=1, help="Labels a round."),
    overlap: int = typer.Option(1, min=1, help="Annotators who answer one clip."),
    control_share: float = typer.Option(
        0.0, min=0, max=1, help="Size of the random control arm beside the strategy's."
    ),
    budget: int | None = typer.Option(None, min=0, help="Labels the project may buy in all."),
    fairness: list[str] = FAIRNESS,
    seed: int = typer.Option(0, min=0, help="Seed of every random choice."),
) -> None:
    """Make a project and print its id.

    Example: afterloop project create calls --classes anger,neutral,sadness --encoder openai/whisper-tiny.en --layer 2

    Example: afterloop project create scales --dimensions arousal:1:5,valence:1:5 --encoder folder --recipe lora.json
    """
    from al_core.scheme import Scheme
    from al_core.strategies.specs import parse_strategy
    from app.cli import reading
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.projects.checks import check_precision
    from app.projects.service import create_project
    from app.settings import get_settings

    names = tuple(part.strip() for part in classes.split(",")) if classes.strip() else ()
    chosen = reading.first_recipe(recipe, layer, normalise_speakers, bool(names))
    check_precision(chosen, get_settings())
    with open_database().write() as session:
        project = create_project(
            session,
            name=name,
            scheme=Scheme(names, reading.dimensions(dimensions)),
            encoder=str(Path(encoder).resolve()) if Path(encoder).exists() else encoder,
            instructions=instructions,
            recipe=chosen,
            strategy=parse_strategy(strategy),
            batch_size=batch_size,
            overlap=overlap,
            control_share=control_share,
            budget=budget,
            fairness=reading.fairness(fairness),
            seed=seed,
            now=utcnow(),
        )
    typer.echo(project.id)


@app.command()
def change(
    project: str = typer.Argument(help="Name of the project."),
    recipe: Path | None = RECIPE,
    strategy: str | None = typer.Option(None, help="A query strategy, or module:name of a modAL callable."),
    budget: int | None = typer.Option(None, min=0, help="Labels the project may buy in all."),
    fairness: list[str] = FAIRNESS,
) -> None:
    """Change what later rounds do; what is not said stays.

    Example: afterloop project change calls --recipe second-stage.json --fairness gender:0.1
    """
    from al_core.strategies.specs import parse_strategy
    from app.cli import reading
    from app.cli.opening import open_database
    from app.projects.checks import check_precision
    from app.projects.service import change_project, find_project
    from app.settings import get_settings
    from app.specs import as_json

    changes: dict[str, Any] = {}
    if recipe is not None:
        chosen = reading.recipe(recipe)
        check_precision(chosen, get_settings())
        changes["recipe"] = as_json(chosen)
    if strategy is not None:
        changes["strategy"] = as_json(parse_strategy(strategy))
    if budget is not None:
        changes["budget"] = budget
    if fairness:
        changes["fairness"] = reading.fairness(fairness)
    with open_database().write() as session:
        change_project(session, find_project(session, project).id, changes)
    typer.echo(f"{project}: {', '.join(changes) or 'nothing'} changed")


@app.command()
def advice(
    project: str = typer.Argument(help="Name of the project."),
    labels: int | None = typer.Option(None, min=1, help="How many more labels are asked about; a round's unless said."),
    worth: float = typer.Option(0.5, help="Smallest gain that is worth them: UAR points, or hundredths of mean CCC."),
) -> None:
    """Say whether more labels are worth it, and why.

    Example: afterloop project advice calls --labels 200
    """
    from rich.console import Console
    from rich.table import Table

    from app.advice.service import collect, judge
    from app.cli.opening import open_database
    from app.projects.service import find_project

    if not 0 < worth <= 100:
        raise typer.BadParameter("give a gain above 0 and up to 100", param_hint="--worth")
    with open_database().read() as session:
        known = collect(session, find_project(session, project).id)
    found = judge(known, labels, worth / 100)
    console = Console()
    console.print(found.sentence, highlight=False)
    table = Table("criterion", "verdict", "because")
    for one in found.criteria:
        table.add_row(one.name, one.verdict, one.sentence)
    console.print(table)


@app.command("list")
def list_command() -> None:
    """List the projects."""
    from rich.console import Console
    from rich.table import Table

    from app.cli.opening import open_database
    from app.projects.service import list_projects

    table = Table("id", "name", "scheme", "encoder", "clips a round", "created")
    with open_database().read() as session:
        for project in list_projects(session):
            table.add_row(
                str(project.id),
                project.name,
                ", ".join([*project.scheme["classes"], *(one["name"] for one in project.scheme["dimensions"])]),
                project.encoder,
                str(project.batch_size),
                f"{project.created_at:%Y-%m-%d}",
            )
    Console().print(table)
