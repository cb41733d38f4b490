"""Evaluate an adapted encoder on a labelled corpus, telling a terminal how it goes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.features import FeatureStore
from al_core.folds import load_labelled
from al_core.recipe import Recipe
from tapt.evaluate import EvaluationPlan, EvaluationReport, EvaluationResult, compare, result_to_dict
from tapt.evaluate_folds import LabelledSpeech
from tapt.heard import read_heard
from tapt.promotion import describe


@dataclass(frozen=True, slots=True)
class EvaluationAsked:
    """What a command line asks for.

    Attributes:
        before, after: hub id or folder of each encoder.
        manifest: of the labelled corpus.
        layers: hidden states to read; empty for the middle one, None for all that both encoders have.
        fractions: shares of the labels.
        seeds: folds.
        normalise_speakers: z-normalise embeddings per speaker, without labels.
        cache: folder of the feature store.
        output: where the JSON goes, None for nowhere.
    """

    before: str
    after: str
    manifest: Path
    layers: tuple[int, ...] | None
    fractions: tuple[float, ...]
    seeds: int
    normalise_speakers: bool
    cache: Path
    output: Path | None


def evaluate_corpus(asked: EvaluationAsked) -> dict[str, Any]:
    """Compare the encoders, print a table and write the JSON; returns what is written."""
    console = Console()
    corpus = load_labelled(read_corpus(asked.manifest))
    for refused in corpus.refused:
        console.print(f"left out  {refused}", markup=False, soft_wrap=True)
    before, after = open_encoder(asked.before), open_encoder(asked.after)
    heard = read_heard(asked.after)
    if heard is None:
        console.print(f"{asked.after} does not say what it heard: none of these clips is assumed", soft_wrap=True)
    recipe = Recipe(normalise_speakers=asked.normalise_speakers)
    plan = EvaluationPlan(recipe, _layers(asked, before, after), asked.fractions, asked.seeds)
    store = FeatureStore(asked.cache.expanduser() / "features")
    report = EvaluationReport("start", 0, 1)
    with Progress(console=console) as bars:
        bar = bars.add_task("start", total=None)
        for report in compare(plan, before, after, LabelledSpeech.of(corpus), heard or frozenset(), store):
            bars.update(bar, completed=report.done, total=report.total, description=report.stage)
    assert report.result is not None, "the last report carries the result"
    told = {"corpus": corpus.name, **result_to_dict(report.result, before, after)}
    if asked.output is not None:
        asked.output.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _print(console, corpus.name, report.result)
    return told


def _layers(asked: EvaluationAsked, before: SpeechEncoder, after: SpeechEncoder) -> tuple[int, ...]:
    """The hidden states to read: those asked for, or the middle one, or all that both have, and the last of each."""
    if asked.layers:
        return asked.layers
    if asked.layers == ():
        return (-(-before.n_layers // 2),)
    every = tuple(range(min(before.n_layers, after.n_layers) + 1))
    return every if before.n_layers == after.n_layers else (*every, -1)


def _print(console: Console, corpus: str, result: EvaluationResult) -> None:
    scale, digits = (100, 1) if result.figure == "UAR" else (1, 3)
    table = Table(title=f"{corpus}: {result.figure} of a probe on held-out speakers, {result.rows[0].paired.n} folds")
    for name in ("layer", "labels", "before", "after", "gain [95 %]"):
        table.add_column(name, justify="right")
    for row in result.rows:
        found = row.paired
        interval = "" if found.low is None or found.high is None else (
            f" [{scale * found.low:+.{digits}f}, {scale * found.high:+.{digits}f}]"
        )  # fmt: skip
        table.add_row(
            "last" if row.layer == -1 else str(row.layer),
            f"{row.fraction:.0%} ({row.n_labels:.0f})",
            f"{scale * found.before:.{digits}f}",
            f"{scale * found.after:.{digits}f}",
            f"{scale * found.gain:+.{digits}f}{interval}",
        )
    console.print(table)
    for note in result.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if len(result.rows) == 1:
        console.print(describe(result.rows[0].paired, result.figure), markup=False, soft_wrap=True)
