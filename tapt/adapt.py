"""Adapt an encoder to a corpus, telling a terminal how it goes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from al_core.corpora.read import read_corpus
from al_core.encoders import open_encoder
from tapt.corpus_clips import SplitChoice, corpus_clips
from tapt.finished import read_finished
from tapt.heard import read_heard, write_heard
from tapt.identity import TaptResumeError
from tapt.pretrain import pretrain
from tapt.recipe import TaptRecipe, tapt_recipe_from_dict, tapt_recipe_to_dict
from tapt.report import TaptReport
from tapt.resumable_state import TaptStateError, newest_state

ASKED = "asked.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked for, kept in its folder, so that resuming needs nothing but the folder.

    Attributes:
        recipe: everything that decides the run.
        manifest: of the corpus.
        source: encoder to start from, a hub id or a folder.
        split: which clips are heard.
    """

    recipe: TaptRecipe
    manifest: Path
    source: str
    split: SplitChoice

    def write(self, folder: Path) -> None:
        """Keep it; TaptStateError when the folder cannot be written."""
        plain = {
            "recipe": tapt_recipe_to_dict(self.recipe),
            "manifest": str(self.manifest.resolve()),
            "encoder": str(Path(self.source).resolve()) if Path(self.source).is_dir() else self.source,
            "split": self.split,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ASKED).write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise TaptStateError(f"could not write {folder / ASKED}: {error}; free the disk") from error

    @classmethod
    def read(cls, folder: Path) -> "Asked":
        """What the run in `folder` was asked for; TaptResumeError when it holds none."""
        try:
            plain: dict[str, Any] = json.loads((folder / ASKED).read_text(encoding="utf-8"))
            recipe, split = tapt_recipe_from_dict(plain["recipe"]), plain["split"]
            return cls(recipe, Path(plain["manifest"]), plain["encoder"], split)
        except (OSError, ValueError, KeyError) as error:
            raise TaptResumeError(f"{folder} holds no run to go on with: {error}; start one with `run`") from error


def start_run(asked: Asked, folder: Path, processes: int | None = None) -> TaptReport:
    """Begin a run in a folder that holds none; returns its last report.

    Args:
        asked: what it is to be.
        folder: of the run.
        processes: that share it, see `pretrain`.

    Raises:
        TaptResumeError: `folder` holds a run.
    """
    if newest_state(folder) or read_finished(folder):
        raise TaptResumeError(f"{folder} holds a run already: `resume` goes on with it, or choose another folder")
    return _adapt(asked, folder, processes)


def resume_run(folder: Path, processes: int | None = None) -> TaptReport:
    """Go on with the run in `folder`, which ends as if it had never been broken off; returns its last report.

    With another number of processes than before, it ends with the same weights up to float32 sums and dropout.

    Raises:
        TaptResumeError: `folder` holds no run.
    """
    return _adapt(Asked.read(folder), folder, processes)


def _adapt(asked: Asked, folder: Path, processes: int | None) -> TaptReport:
    console = Console()
    corpus = read_corpus(asked.manifest)
    heard = corpus_clips(corpus, asked.split)
    for sentence in (*(f"{refusal.where}: {refusal.detail}" for refusal in corpus.refused), *heard.refused):
        console.print(f"left out  {sentence}", markup=False, soft_wrap=True)
    encoder = open_encoder(asked.source)
    reports = pretrain(asked.recipe, encoder, heard.clips, folder, heard.held_out, processes)
    asked.write(folder)
    write_heard(folder, {clip.key for clip in heard.clips} | (read_heard(asked.source) or set()))
    last = _show(console, reports)
    told = [f"{folder}: {last.steps} steps on {len(heard.clips)} clips"]
    told.append(f"{last.seconds_audio / 60:.1f} minutes of audio in {last.seconds:.0f} s")
    console.print("; ".join(filter(None, [", ".join(told), said_of(last)])), markup=False, soft_wrap=True)
    return last


def _show(console: Console, reports: Iterator[TaptReport]) -> TaptReport:
    """Draw one bar a stage; the last report, which `pretrain` always gives."""
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[said]}"), console=console) as progress:
        bars: dict[str, TaskID] = {}
        for report in reports:
            if report.stage == "done":
                return report
            if report.stage not in bars:
                bars[report.stage] = progress.add_task(report.stage, total=None, said="")
            progress.update(bars[report.stage], completed=report.step, total=report.steps, said=said_of(report))
    raise AssertionError("pretrain ended without its last report")


def said_of(report: TaptReport) -> str:
    """A report's figures in a line, as far as it has them."""
    told = []
    if report.loss is not None:
        told.append(f"loss {report.loss:.2f}")
    if report.accuracy is not None:
        told.append(f"right {report.accuracy:.0%}")
    if report.unit_perplexity is not None:
        told.append(f"perplexity {report.unit_perplexity:.1f}")
    return "  ".join(told)
