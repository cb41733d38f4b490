"""`afterloop demo`: one command, and the main job happens."""

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from app.demo.story import Outcome, Story

FOLDER = Path("demo-out")


def demo(
    data: Path | None = typer.Option(None, help="A manifest.csv of real speech; without it, a built-in spoken corpus."),
    encoder: str | None = typer.Option(None, help="Hugging Face id or folder; without it, the built-in starter."),
    layer: int | None = typer.Option(None, help="The one hidden state the probe reads, in place of three."),
    tapt_steps: int = typer.Option(30, min=0, help="Steps of adaptation to the unlabeled audio; 0 for none."),
    rounds: int = typer.Option(8, min=1, help="Rounds, the seed set included."),
    batch_size: int = typer.Option(0, min=0, help="Labels a round; 0 for a twenty-fourth of the training clips."),
    strategy: str = typer.Option("coverage_then_margin", help="Query strategy of the strategy arm."),
    annotator_error: float = typer.Option(0.0, min=0, max=1, help="Share of wrong answers of the annotators."),
    seed: int = typer.Option(0, min=0, help="Seed of everything."),
    stay: bool = typer.Option(sys.stdout.isatty(), help="Keep serving the dashboard afterwards, until Ctrl-C."),
    port: int = typer.Option(0, help="Port of the dashboard; 0 for any free one."),
) -> None:
    """Run the whole loop on a live service with simulated annotators who label over HTTP.

    Example: afterloop demo --data corpus/manifest.csv --encoder openai/whisper-tiny.en
    """
    from rich.console import Console

    from al_core.encoders.starter import STARTER
    from app.accounts.service import create_account
    from app.cli.opening import open_database
    from app.db import utcnow
    from app.demo.service import running_service
    from app.demo.story import Plan, Story
    from app.models import Role
    from app.settings import Settings

    console = Console()
    shutil.rmtree(FOLDER / "service", ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    manifest = data.resolve() if data else _built_in_corpus(console)
    if manifest.is_dir():
        manifest = manifest / "manifest.csv"
    encoder_source = _absolute(encoder) if encoder else STARTER
    plan = Plan(
        manifest=manifest,
        encoder=encoder_source,
        layer=layer,
        tapt_steps=tapt_steps,
        rounds=rounds,
        batch_size=batch_size,
        strategy=strategy,
        annotator_error=annotator_error,
        seed=seed,
    )
    settings = Settings(data=FOLDER / "service", database_url=None, import_root=manifest.parent, log_level="WARNING")
    database = open_database(settings)
    with database.write() as session:
        names = [("admin", Role.ADMIN), ("operator", Role.OPERATOR)] + [
            (f"annotator-{i}", Role.ANNOTATOR) for i in (1, 2, 3)
        ]
        tokens = [create_account(session, name=name, role=role, now=utcnow())[1] for name, role in names]
    database.dispose()
    with running_service(settings, port) as base_url:
        console.print(f"service at {base_url}, {plan.manifest.parent.name}, encoder {plan.encoder}")
        story = Story(plan, base_url, tokens[1], tokens[2:])
        _show_progress(console, story)
        assert story.outcome is not None
        _conclude(console, story.outcome, plan.manifest.parent.name, is_synthetic=data is None)
        dashboard = f"{base_url}/projects/{story.outcome.project_id}"
        if stay:
            console.print(
                f"dashboard: [bold]{dashboard}[/bold]\ntoken:     {tokens[0]}\nCtrl-C ends it.", soft_wrap=True
            )
            _wait_for_interrupt()
        else:
            address = f"http://127.0.0.1:8000/projects/{story.outcome.project_id}"
            console.print(
                f"dashboard: AFTERLOOP_DATA={settings.data} .venv/bin/afterloop serve, then {address}", soft_wrap=True
            )
            console.print(f"token:     {tokens[0]}", soft_wrap=True)


def _built_in_corpus(console: "Console") -> Path:
    from al_core.corpora.espeak import speak_corpus

    folder = FOLDER / "spoken"
    if not (folder / "manifest.csv").exists():
        console.print("speaking the built-in corpus with eSpeak NG …")
        speak_corpus(folder)
    return (folder / "manifest.csv").resolve()


def _absolute(encoder: str) -> str:
    """A folder by its whole path, since the worker may stand elsewhere; a hub id as it is."""
    return str(Path(encoder).resolve()) if Path(encoder).exists() else encoder


def _show_progress(console: "Console", story: "Story") -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[detail]}"), console=console) as bars:
        rows = {}
        for now in story.tell():
            if now.stage not in rows:
                rows[now.stage] = bars.add_task(now.stage, total=now.total, detail="")
            bars.update(rows[now.stage], completed=now.done, total=now.total, detail=now.detail)


def _conclude(console: "Console", outcome: "Outcome", corpus: str, is_synthetic: bool) -> None:
    from app.demo.picture import curve_table, draw_curve

    console.print(curve_table(outcome.points, outcome.n_train))
    picture = FOLDER / "curve.png"
    draw_curve(outcome.points, f"{corpus}: {len(outcome.classes)} classes, {outcome.n_train} training clips", picture)
    if outcome.verdict is not None:
        console.print(f"TAPT: {outcome.verdict}", soft_wrap=True, highlight=False)
    console.print(f"{outcome.n_clips} clips, {outcome.seconds:.0f} s in all; picture: {picture}")
    if is_synthetic:
        console.print("[yellow]Synthetic voices: these figures say nothing about real speech.[/yellow]")


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
