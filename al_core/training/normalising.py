"""Whether a probe normalises, where its recipe leaves that to the labels: by whose they are, and cross-validation."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from al_core.features import Clip, embed
from al_core.peft.probe import ProbeClassifier, feature_spec
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from al_core.targets import LabelledClips
from al_core.training.entangled import MOST, entangled
from al_core.training.report import StepReport
from al_core.training.run import Run
from al_core.training.speaker_folds import nobody_is_known, speaker_folds


@dataclass(frozen=True, slots=True)
class Decided:
    """A recipe that leaves nothing open, and a sentence for the operator where a step is left out."""

    recipe: Recipe
    told: str | None = None


def undecided(recipe: Recipe) -> bool:
    """Whether a recipe leaves a normalisation to the labels."""
    return "auto" in (recipe.normalise_speakers, recipe.normalise_sentences)


def decide(run: Run) -> Generator[StepReport, None, Decided]:
    """Do every normalisation that is "auto", unless the labels say that it does harm.

    Normalising a voice helps where a speaker shows several emotions and destroys what is to be heard where speakers and
    classes are entangled (`al_core/training/entangled.py`). What is left open after that is tried: a step is left out
    where going without is better by more than a standard error. Classifiers that heard nothing of a speaker are tried
    on his labelled clips, with all his unlabelled ones beside them, as they will be on new speakers; where nobody is
    known, on labelled clips that were held out. With a single labelled speaker, or without classes, nothing can be
    tried and everything is done.

    Yields:
        Progress.
    """
    alpha = entangled(run.train) if run.recipe.normalise_speakers == "auto" else None
    if alpha is None:
        return (yield from _by_trial(run))
    told = (
        f"left out: speaker normalisation; the labelled speakers keep to few classes: alpha within speakers is "
        f"{alpha.value:.2f} [{alpha.low:.2f}, {alpha.high:.2f}], above {MOST} it takes away more than it gives"
    )
    rest = yield from _by_trial(replace(run, recipe=replace(run.recipe, normalise_speakers=False)))
    return Decided(rest.recipe, f"{told}. {rest.told}" if rest.told else told)


def _by_trial(run: Run) -> Generator[StepReport, None, Decided]:
    """The same by cross-validation alone."""
    done = replace(
        run.recipe,
        normalise_speakers=bool(run.recipe.normalise_speakers),
        normalise_sentences=bool(run.recipe.normalise_sentences),
    )
    every = [*run.train.clips, *run.all_clips]
    folds = speaker_folds(run) if run.scheme.classes and undecided(run.recipe) else []
    if not folds:
        return Decided(done)
    for report in embed(run.encoder, run.store, [feature_spec(done, run.encoder)], every):
        yield StepReport("embed", 0, report.done, report.total, None, None, 0.0, 0)
    truth = np.concatenate([test.targets.argmax(axis=1) for _, test in folds])
    as_asked = _right(done, folds, every)
    held_out = "clips" if nobody_is_known(run) else "speakers"
    decided, gain = Decided(done), 0.0
    for recipe in _fewer(run.recipe, done):
        mean, error = _difference(_right(recipe, folds, every), as_asked, truth)
        if mean > max(error, gain):
            decided, gain = Decided(recipe, _sentence(recipe, done, held_out, mean, error)), mean
    return decided


def _fewer(asked: Recipe, done: Recipe) -> list[Recipe]:
    """The recipe without one of the open steps, or without any."""
    speakers = (True, False) if asked.normalise_speakers == "auto" else (done.normalise_speakers,)
    sentences = (True, False) if asked.normalise_sentences == "auto" else (done.normalise_sentences,)
    choices = [
        replace(done, normalise_speakers=one, normalise_sentences=other) for one, other in product(speakers, sentences)
    ]
    return [recipe for recipe in choices if recipe != done]


def _sentence(recipe: Recipe, done: Recipe, held_out: str, gain: float, error: float) -> str:
    steps = {
        "speaker normalisation": recipe.normalise_speakers != done.normalise_speakers,
        "sentence centring": recipe.normalise_sentences != done.normalise_sentences,
    }
    left_out = " and ".join(name for name, is_out in steps.items() if is_out)
    return (
        f"left out: {left_out}; by cross-validation over the labelled {held_out} UAR is {100 * gain:.1f} ± "
        f"{100 * error:.1f} points higher without"
    )


def _right(recipe: Recipe, folds: Sequence[tuple[Run, LabelledClips]], every: Sequence[Clip]) -> NDArray[np.bool_]:
    """(n,) whether each held-out labelled clip is classified as labelled."""
    return np.concatenate([_right_in_fold(recipe, run, test, every) for run, test in folds])


def _right_in_fold(recipe: Recipe, run: Run, test: LabelledClips, every: Sequence[Clip]) -> NDArray[np.bool_]:
    assert isinstance(recipe.method, Probe), "only a probe normalises"
    probe = ProbeClassifier.fit(recipe, run.scheme, run.encoder, run.store, run.train, run.all_clips, recipe.method)
    keys, voices = {clip.key for clip in test.clips}, {clip.speaker for clip in test.clips} - {None}
    beside = {clip.key: clip for clip in every if clip.speaker in voices and clip.key not in keys}
    said = probe.predict([*test.clips, *beside.values()]).probabilities[: len(test)]
    right: NDArray[np.bool_] = said.argmax(axis=1) == test.targets.argmax(axis=1)
    return right


def _difference(one: NDArray[np.bool_], other: NDArray[np.bool_], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Difference in UAR of two classifiers on the same clips, and its standard error over clips."""
    apart = one.astype(np.float64) - other
    of_class = [apart[truth == k] for k in np.unique(truth)]
    variance = sum(part.var() / len(part) for part in of_class) / len(of_class) ** 2
    return float(np.mean([part.mean() for part in of_class])), float(np.sqrt(variance))
