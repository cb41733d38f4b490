"""Adapt an encoder to a corpus, telling a terminal how it goes."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from al_core.corpora.read import read_corpus
from al_core.encoders import open_encoder
from tapt.corpus_clips import SplitChoice, corpus_clips
from tapt.finished import read_finished
from tapt.identity import TaptResumeError
from tapt.pretrain import pretrain
from tapt.recipe import TaptRecipe
from tapt.report import TaptReport
from tapt.resumable_state import newest_state


def adapt_corpus(
    recipe: TaptRecipe, manifest: Path, source: str, folder: Path, split: SplitChoice, *, resume: bool
) -> TaptReport:
    """Read a corpus, open an encoder, run `pretrain` with a progress bar; returns its last report.

    Raises:
        TaptResumeError: `folder` holds a run and `resume` is False.
    """
    if not resume and (newest_state(folder) or read_finished(folder)):
        raise TaptResumeError(f"{folder} holds a run already: add --resume to go on with it, or choose another folder")
    console = Console()
    corpus = read_corpus(manifest)
    heard = corpus_clips(corpus, split)
    for sentence in (*(f"{refusal.where}: {refusal.detail}" for refusal in corpus.refused), *heard.refused):
        console.print(f"left out  {sentence}", markup=False, soft_wrap=True)
    encoder = open_encoder(source)
    last = _show(console, pretrain(recipe, encoder, heard.clips, folder, heard.held_out))
    console.print(
        f"{folder}: {last.steps} steps on {len(heard.clips)} clips, {last.seconds_audio / 60:.1f} minutes of audio "
        f"in {last.seconds:.0f} s; loss {last.loss:.2f}, {last.units_used} units used (perplexity "
        f"{last.unit_perplexity:.1f})",
        markup=False,
        soft_wrap=True,
    )
    return last


def _show(console: Console, reports: Iterator[TaptReport]) -> TaptReport:
    """Draw one bar a stage; the last report, which `pretrain` always gives."""
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[said]}"), console=console) as progress:
        bars = {stage: progress.add_task(stage, total=None, said="") for stage in ("targets", "train")}
        for report in reports:
            if report.stage == "done":
                return report
            progress.update(bars[report.stage], completed=report.step, total=report.steps, said=_said(report))
    raise AssertionError("pretrain ended without its last report")


def _said(report: TaptReport) -> str:
    if report.loss is None or report.accuracy is None or report.unit_perplexity is None:
        return ""
    return f"loss {report.loss:.2f}  right {report.accuracy:.0%}  perplexity {report.unit_perplexity:.1f}"
