"""Cross-validation over the speakers of a run's labelled clips: who is held out, and the run on everybody else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from al_core.features import Clip
from al_core.leaks import ClipGroups, linked, recording_of
from al_core.peft.specs import Probe
from al_core.targets import LabelledClips
from al_core.training.run import Run

_FOLDS, _FOLDS_OF_NETWORKS = 5, 3  # a network is trained anew in each


def clip_groups(clips: Sequence[Clip]) -> list[ClipGroups]:
    """Clips by their speakers and recordings, as leaks are looked for."""
    return [ClipGroups(clip.key, clip.speaker, recording=recording_of(clip.key)) for clip in clips]


def speaker_folds(run: Run) -> list[tuple[Run, LabelledClips]]:
    """Runs without dev on everybody but the held-out speakers, and the labelled clips of those who are held out.

    The held-out speakers' unlabelled clips are left out too, and so are all clips without a speaker. Where no labelled
    clip has one, clips are held out instead: too good for a figure, yet fair to two classifiers beside each other.
    Empty where a single speaker is known; a fold whose other speakers name fewer than two classes is left out.
    """
    clips = list({clip.key: clip for clip in (*run.train.clips, *run.all_clips)}.values())
    speaker_of = {clip.key: name for clip, name in zip(clips, linked(clip_groups(clips)), strict=True)}
    if nobody_is_known(run):
        speaker_of = {clip.key: clip.key for clip in clips}
    folds = [_fold(run, speaker_of, held) for held in _held_out(run, speaker_of)]
    return [fold for fold in folds if fold is not None]


def nobody_is_known(run: Run) -> bool:
    """Whether no labelled clip has a speaker."""
    return all(clip.speaker is None for clip in run.train.clips)


def _held_out(run: Run, speaker_of: dict[str, str | None]) -> list[set[str]]:
    """Speakers of the labelled clips in sets of about as many clips."""
    counts: dict[str, int] = {}
    for clip, target in zip(run.train.clips, run.train.targets, strict=True):
        name = speaker_of[clip.key]
        if name is not None and target.any():
            counts[name] = counts.get(name, 0) + 1
    n = min(_FOLDS if isinstance(run.recipe.method, Probe) else _FOLDS_OF_NETWORKS, len(counts))
    if n < 2:
        return []
    sets: list[set[str]] = [set() for _ in range(n)]
    for name in sorted(counts, key=lambda one: (-counts[one], one)):
        min(sets, key=lambda held: sum(counts[one] for one in held)).add(name)
    return sets


def _fold(run: Run, speaker_of: dict[str, str | None], held: set[str]) -> tuple[Run, LabelledClips] | None:
    def stays(clip: Clip) -> bool:
        return speaker_of[clip.key] is not None and speaker_of[clip.key] not in held

    kept = [i for i, clip in enumerate(run.train.clips) if stays(clip)]
    test = [i for i, clip in enumerate(run.train.clips) if speaker_of[clip.key] in held and run.train.targets[i].any()]
    if np.count_nonzero(run.train.targets[kept].sum(axis=0)) < 2:
        return None
    others = tuple(clip for clip in run.all_clips if stays(clip))
    return replace(run, train=_some(run.train, kept), dev=None, all_clips=others), _some(run.train, test)


def _some(labelled: LabelledClips, rows: Sequence[int]) -> LabelledClips:
    chosen = list(rows)
    return LabelledClips(
        clips=tuple(labelled.clips[i] for i in chosen),
        targets=labelled.targets[chosen],
        dimensions=None if labelled.dimensions is None else labelled.dimensions[chosen],
        weights=None if labelled.weights is None else labelled.weights[chosen],
    )
