"""`afterloop simulate`: the loop with an oracle instead of annotators, without the service."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_never

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from al_core.recipe import Recipe
    from al_core.semi_supervised.specs import Finish
    from al_core.simulate import Adapt

FineTune = Literal["standard", "probe", "last-k", "lora"]
FinishName = Literal["pseudo_labels", "label_spreading"]
DEFAULT_FRACTIONS = "0.02,0.05,0.1,0.2"


def simulate(
    more: list[str] = typer.Argument(None, hidden=True),  # `--strategy random margin badge` reads naturally
    manifest: Path = typer.Option(help="A labelled corpus: manifest.csv, or a folder in a known convention."),
    encoder: str = typer.Option(help="Hugging Face id, or a folder."),
    strategy: list[str] = typer.Option(
        ["random", "coverage_then_margin"], help="One or more query strategies, or module:name of modAL callables."
    ),
    layer: int | None = typer.Option(
        None, help="Hidden state that is read: unless said three of them, the middle one by the probe, else the last."
    ),
    normalise_speakers: bool | None = typer.Option(
        None, help="Normalise embeddings per speaker, without labels; unless said, the standard recipe finds out."
    ),
    tapt_steps: int = typer.Option(0, min=0, help="Adapt the encoder to each fold's training audio first."),
    seeds: int = typer.Option(3, min=1, help="How many seeds, from 0."),
    fractions: str = typer.Option(DEFAULT_FRACTIONS, help="Labelled shares of the training clips, rising."),
    test_speakers: int | None = typer.Option(None, min=1, help="Random test speakers a seed."),
    test_split: Literal["dev", "test"] = typer.Option(
        "test", help="The manifest's split to test on, unless test speakers are drawn."
    ),
    fine_tune: FineTune = typer.Option("standard", help="What is trained in every round."),
    finish: FinishName | None = typer.Option(
        None, help="At the end learn from the unlabelled rest too, compared with going without; the standard does."
    ),
    output: Path | None = typer.Option(None, help="Where the JSON goes."),
    cache: Path = typer.Option(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "afterloop", help="Feature store, reused between runs."
    ),
) -> None:
    """Run the loop on a labelled corpus and print what each strategy's labels bought.

    Example: afterloop simulate --manifest emodb/manifest.csv --encoder whisper-tiny.en --layer 2
    --strategy random margin coverage_then_margin --fractions 0.05,0.1,0.2 --test-speakers 3 --output out.json
    """
    from rich.console import Console
    from rich.progress import Progress

    from al_core.corpora.read import read_corpus
    from al_core.encoders import open_encoder
    from al_core.features import FeatureStore
    from al_core.folds import load_labelled
    from al_core.simulate import SimulationPlan, SimulationReport
    from al_core.simulate import simulate as run
    from al_core.strategies.specs import parse_strategy

    console = Console()
    names = [name for given in [*strategy, *(more or [])] for name in given.split(",")]
    strategies = tuple(parse_strategy(name) for name in dict.fromkeys(names))
    corpus = load_labelled(read_corpus(manifest))
    for refused in corpus.refused:
        console.print(f"[yellow]refused[/yellow] {refused}", highlight=False)
    opened = open_encoder(encoder)
    plan = SimulationPlan(
        recipe=_recipe(layer, normalise_speakers, fine_tune, finish, opened.n_layers),
        strategies=strategies,
        n_seeds=seeds,
        fractions=_fractions(fractions),
        test_speakers=test_speakers,
        test_split=test_split,
    )
    folder = cache.expanduser()
    report = SimulationReport(0, 0, "")
    with Progress(console=console) as bars:
        row = bars.add_task("simulate", total=None)
        adapt = _tapt(folder / "tapt", tapt_steps) if tapt_steps else None
        for report in run(plan, corpus, opened, FeatureStore(folder / "features"), adapt):
            bars.update(row, completed=report.done, total=report.total, description=report.detail)
    assert report.result is not None, "the last report carries the result"
    if output:
        output.write_text(json.dumps(report.result, indent=1) + "\n", encoding="utf-8")
    _print_table(console, report.result)


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: write shares with commas, 0.05,0.1,0.2", param_hint="--fractions"
        ) from None


def _recipe(
    layer: int | None, normalise_speakers: bool | None, fine_tune: FineTune, finish: FinishName | None, n_layers: int
) -> "Recipe":
    from dataclasses import replace

    from al_core.peft.specs import LastK, Lora
    from al_core.recipe import Recipe, standard_recipe

    last = -1 if layer is None else layer
    normalises, ending = bool(normalise_speakers), _finish(finish)
    match fine_tune:
        case "standard":
            chosen = standard_recipe(layer, "auto" if normalise_speakers is None else normalise_speakers)
            return chosen if ending is None else replace(chosen, finish=ending)
        case "probe":
            middle = -(-n_layers // 2)  # middle layers carry emotion best
            return Recipe(layer=middle if layer is None else layer, normalise_speakers=normalises, finish=ending)
        case "last-k":
            return Recipe(layer=last, normalise_speakers=normalises, method=LastK(), finish=ending)
        case "lora":
            return Recipe(layer=last, normalise_speakers=normalises, method=Lora(), finish=ending)
        case _:
            assert_never(fine_tune)


def _finish(name: FinishName | None) -> "Finish | None":
    from al_core.semi_supervised.specs import LabelSpreading, PseudoLabels

    match name:
        case None:
            return None
        case "pseudo_labels":
            return PseudoLabels()
        case "label_spreading":
            return LabelSpreading()
        case _:
            assert_never(name)


def _tapt(folder: Path, steps: int) -> "Adapt":
    """Adapt per fold; a fold that was adapted before is opened again."""
    from al_core.encoders import SpeechEncoder, open_encoder
    from al_core.features import Clip
    from tapt.pretrain import pretrain
    from tapt.recipe import TaptRecipe

    def adapt(
        encoder: SpeechEncoder, pool: Sequence[Clip], held_out: Sequence[Clip], seed: int
    ) -> tuple[SpeechEncoder, float]:
        recipe = TaptRecipe(steps=steps, seed=seed)
        told = hashlib.sha256("\n".join([encoder.digest, repr(recipe), *sorted(clip.key for clip in pool)]).encode())
        place = folder / told.hexdigest()[:16]
        *_, last = pretrain(recipe, encoder, pool, place, [clip.key for clip in held_out])
        return open_encoder(place), last.seconds

    return adapt


def _print_table(console: "Console", result: dict[str, Any]) -> None:
    from statistics import mean, pstdev

    from rich.table import Table

    table = Table(title=f"{result['corpus']}: UAR on held-out speakers, mean ± std over seeds")
    table.add_column("labels")
    strategies = list(result["aulc"])
    for name in strategies:
        table.add_column(name, justify="right")
    for fraction in sorted({point["fraction"] for point in result["points"]}):
        cells = []
        for name in strategies:
            here = (point for point in result["points"] if point["strategy"] == name)
            uars = [100 * point["uar"] for point in here if point["fraction"] == fraction]
            cells.append(f"{mean(uars):.1f} ± {pstdev(uars):.1f}")
        table.add_row(f"{fraction:.0%}", *cells)
    areas = (result["aulc"][name] for name in strategies)
    table.add_row("area", *(f"{100 * area['mean']:.1f} ± {100 * area['std']:.1f}" for area in areas), end_section=True)
    console.print(table)
    _print_finish(console, result)
    console.print(f"all labels: UAR {100 * result['full']['uar']:.1f}, {result['full']['seconds']:.1f} s")


def _print_finish(console: "Console", result: dict[str, Any]) -> None:
    """What the finish was worth in the last round, over seeds and strategies; nothing without one."""
    from statistics import mean, stdev

    last = max(point["fraction"] for point in result["points"])
    both = [one for one in result["points"] if one["fraction"] == last and one["uar_with"] is not None]
    if not both:
        return
    gains = [100 * (one["uar_with"] - one["uar_without"]) for one in both]
    spread = f" ± {stdev(gains) / len(gains) ** 0.5:.1f} s.e." if len(gains) > 1 else ""
    console.print(
        f"finish at {last:.0%}: UAR {100 * mean(one['uar_with'] for one in both):.1f} with it, "
        f"{100 * mean(one['uar_without'] for one in both):.1f} without ({mean(gains):+.1f}{spread}), "
        f"{100 * mean(one['uar'] for one in both):.1f} keeping the one its comparison chose"
    )
