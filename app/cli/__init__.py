"""`afterloop`: every command imports what it needs when it runs, so `--help` answers at once."""

import os
import sys

import typer
from rich.console import Console

from app.cli import (
    answers,
    checkpoints,
    database,
    demo,
    exporting,
    importing,
    labelstudio,
    projects,
    rounds,
    serving,
    simulation,
    tapt,
    tokens,
    webhooks,
)

# Idle OpenMP threads would spin; on shared cores that costs a factor of four. Read when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

EXAMPLES = """
[bold]Examples[/bold]

  afterloop demo                                        the whole loop on a built-in corpus
  afterloop serve                                       API, pages and a worker on SQLite
  afterloop token create alice --role admin             the first token
  afterloop simulate --manifest m.csv --encoder folder  the loop with an oracle, no service
"""

cli = typer.Typer(
    name="afterloop",
    help="Active-learning fine-tuning for speech emotion recognition.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.command()(serving.serve)
cli.command()(serving.worker)
cli.command()(demo.demo)
cli.command()(simulation.simulate)
cli.command(name="import")(importing.import_corpus)
cli.command()(exporting.export)
cli.add_typer(projects.app, name="project")
cli.add_typer(rounds.app, name="round")
cli.add_typer(checkpoints.app, name="checkpoint")
cli.add_typer(answers.app, name="annotations")
cli.add_typer(tapt.app, name="tapt")
cli.add_typer(webhooks.app, name="webhook")
cli.add_typer(labelstudio.app, name="labelstudio")
cli.add_typer(tokens.app, name="token")
cli.add_typer(database.app, name="db")


def main() -> None:
    """Run the command line; an error that our own code named is one sentence and exit code 1, no stack trace."""
    try:
        cli()
    except Exception as error:  # told apart by where it was named: ours is a sentence, any other keeps its trace
        if type(error).__module__.split(".")[0] not in ("app", "al_core", "tapt"):
            raise
        Console(stderr=True).print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False)
        sys.exit(1)
