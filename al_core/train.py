"""Fine-tuning: a generator of step reports whose last one carries the classifier. The door; `training` is the room."""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from al_core.checkpoint import open_first_stage
from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureStore
from al_core.peft.specs import Probe
from al_core.recipe import Recipe, check_learns
from al_core.resumable_state import drop_states
from al_core.scheme import Scheme
from al_core.shared_scheme import shared_scheme
from al_core.targets import LabelledClips
from al_core.training.errors import DivergedError, TrainError, TrainResumeError
from al_core.training.finishing import finish
from al_core.training.normalising import decide, undecided
from al_core.training.parallel import n_processes
from al_core.training.probe_fit import fit_probe
from al_core.training.report import StepReport
from al_core.training.run import Run, by_key, check
from al_core.training.tuning import tune

__all__ = ["DivergedError", "StepReport", "TrainError", "TrainResumeError", "drop_states", "fine_tune"]


def fine_tune(
    recipe: Recipe,
    scheme: Scheme,
    encoder: SpeechEncoder,
    store: FeatureStore,
    train: LabelledClips,
    dev: LabelledClips | None,
    all_clips: Sequence[Clip] = (),
    state: Path | None = None,
    processes: int | None = None,
) -> Iterator[StepReport]:
    """Fine-tune a copy of `encoder` on classes, dimensions or both; the encoder itself is not changed.

    With `dev`, training stops when its figure (UAR, mean CCC, or the mean of both) has not risen for `recipe.patience`
    epochs and the best epoch's weights are kept, the start included; without it, it runs `recipe.epochs` epochs. The
    same arguments give the same classifier, in whatever order the clips come. The device is the encoder's. The probe
    has nothing to stop early; it only reports its dev figures.

    A normalisation that the recipe leaves open, "auto", is decided first, by cross-validation over the labelled
    speakers, or over the labelled clips where nobody is known.

    A recipe with a finish is trained without it and with it; the better one on dev, or by the same cross-validation
    where there is no dev, is the run's classifier, and the last report's `finished` carries both.

    With `state`, a run that was killed at any step goes on from the last state in that folder and ends, on a CPU with
    the same number of threads, with the weights of an unbroken run. A finished run's state stays, so that it is not
    trained again before its classifier is saved: call `drop_states(state)` then.

    Args:
        recipe: everything else that decides the run.
        scheme: classes and dimensions, in the order of the targets' columns.
        encoder: where the run starts from.
        store: cached features; what is missing is computed first.
        train: labelled clips, at least two classes among them.
        dev: labelled clips of speakers that neither train nor test holds; None or empty to go without.
        all_clips: further clips, unlabelled, whose embeddings count towards their speakers' statistics, and from which
            the recipe's finish learns. Never clips of dev or test speakers.
        state: folder of resumable states; None to keep none. The probe keeps none.
        processes: that share the work of each minibatch. By default one on a CPU, and one a GPU when the encoder lies
            on the first of several. The weights do not depend on it, up to the order of sums, but for dropout.

    Yields:
        Progress; the last report has stage "done" and the classifier.

    Raises:
        TrainError: no clip, a single class, a dimension that does not vary, targets that do not fit the scheme, a clip
            in both train and dev, a finish whose clips share speakers with dev, a process that ended.
        TrainResumeError: `state` holds another run; the sentence says what differs.
        DivergedError: the loss is not a number or ran away; it carries the last good classifier.
        RecipeError: the recipe does not fit this encoder, this scheme, this machine, or the checkpoint it starts from.
        CheckpointError: that checkpoint cannot be opened.
    """
    dev = None if dev is None or len(dev) == 0 else dev
    check_learns(recipe, scheme)
    check(scheme, train, dev)
    n = n_processes(encoder, recipe, processes)
    first = None
    if recipe.start is not None:
        first = open_first_stage(recipe.start, encoder, store)
        shared_scheme(first.classifier.scheme, scheme, recipe.start)
    run = Run(recipe, scheme, encoder, store, by_key(train), dev, tuple(all_clips), state, n, first)
    began = time.perf_counter()
    run = yield from _settled(run)
    for report in _learn(run) if recipe.finish is None else finish(run, _learn):
        # A probe keeps no state, so its time is this call's, comparisons included.
        probed = report.stage == "done" and isinstance(recipe.method, Probe)
        yield replace(report, seconds=time.perf_counter() - began) if probed else report


def _settled(run: Run) -> Generator[StepReport, None, Run]:
    """The run with a recipe that leaves no normalisation open."""
    if not undecided(run.recipe):
        return run
    decided = yield from decide(run)
    if decided.told is not None:
        yield StepReport("normalise", 0, 0, 0, None, None, 0.0, 0, note=decided.told)
    return replace(run, recipe=decided.recipe)


def _learn(run: Run) -> Iterator[StepReport]:
    """Fine-tune on the labelled clips of a run."""
    if isinstance(run.recipe.method, Probe):
        return fit_probe(run.recipe.method, run)
    return tune(run)
