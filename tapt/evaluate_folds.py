"""The folds of an evaluation: test speakers nobody trained on, labels or not, and nested shares of the rest."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_core.evaluation.evaluate import Truth
from al_core.folds import LabelledCorpus
from al_core.leaks import ClipGroups, LeakError, Part, check_leaks, recording_of
from al_core.scheme import Scheme
from al_core.splits import Split, SplitError, hold_out_speakers
from al_core.targets import Floats, LabelledClips
from tapt.errors import TaptError

TEST_SHARE = 0.25  # of the speakers, where TAPT heard none of them
UNHEARD_SHARE = 0.5  # of the speakers TAPT did not hear, where it heard some: the rest teach the probe
DRAWS = 10  # of test speakers, until the others have two classes
KEPT = 0.8  # of the other clips, where every unheard speaker is a test speaker of each fold

Positions = NDArray[np.int64]


class TaptEvaluationError(TaptError):
    """Labelled clips on which encoders cannot be compared; the sentence says what is lacking."""


class TaptHeardError(TaptEvaluationError):
    """TAPT heard clips that it must not be tested on."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSpeech:
    """What encoders are compared on.

    Attributes:
        scheme: what the clips are labelled by.
        known: n clips and what is known of them.
        groups: (n,) speaker or session; no two parts of a fold share one.
        splits: (n,) the split the corpus gives each clip, None where it gives none.
    """

    scheme: Scheme
    known: LabelledClips
    groups: tuple[str | None, ...]
    splits: tuple[Split | None, ...]

    @classmethod
    def of(cls, corpus: LabelledCorpus) -> "LabelledSpeech":
        """Every labelled clip of a corpus."""
        known = corpus.labelled(range(len(corpus.clips)))
        return cls(corpus.scheme, known, corpus.groups, corpus.splits)

    @property
    def classes(self) -> NDArray[np.int64]:
        """(n,) position of each clip's likeliest class in the scheme, −1 where none is known."""
        return Truth.of(self.known).classes

    def part(self, positions: Positions) -> LabelledClips:
        """Some of the clips with what is known of them."""
        dimensions = None if self.known.dimensions is None else self.known.dimensions[positions]
        clips = tuple(self.known.clips[i] for i in positions)
        return LabelledClips(clips, self.known.targets[positions], dimensions)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationFold:
    """Positions into a `LabelledSpeech`: what the probe may learn from, and the test clips."""

    pool: Positions
    test: Positions


def check_heard(speech: LabelledSpeech, heard: Collection[str]) -> None:
    """Refuse an adapted encoder that heard speakers or recordings of dev or test.

    Raises:
        TaptHeardError: it names them and their clips.
    """
    parts: dict[Part, list[ClipGroups]] = {"tapt": [], "dev": [], "test": []}
    for clip, split in zip(speech.known.clips, speech.splits, strict=True):
        groups = ClipGroups(clip.key, clip.speaker, recording=recording_of(clip.key))
        if clip.key in heard:
            parts["tapt"].append(groups)
        if split in ("dev", "test"):
            parts[split].append(groups)
    known = {clip.key for clip in speech.known.clips}
    parts["tapt"] += [ClipGroups(key, recording=recording_of(key)) for key in sorted(set(heard) - known)]
    try:
        check_leaks(parts)
    except LeakError as error:
        raise TaptHeardError(f"TAPT heard dev or test audio: {error}; adapt to the train split alone") from None


def draw_folds(speech: LabelledSpeech, heard: Collection[str], seeds: int) -> tuple[list[EvaluationFold], list[str]]:
    """One speaker-disjoint fold a seed, and what a reader should know of them.

    A speaker of whom TAPT heard a clip is never tested on. Test speakers are drawn at random among the others, so that
    every class has a test clip; where they are too few to be divided, all of them are the test of every fold, and
    folds differ in the 80 % of the other clips that teach the probe.

    Raises:
        TaptHeardError: TAPT heard every speaker.
        TaptEvaluationError: the speakers cannot be divided so that every class is tested.
    """
    usable = np.array([i for i, group in enumerate(speech.groups) if group is not None], dtype=np.int64)
    known = {speech.groups[i] for i in usable if speech.known.clips[i].key in heard}
    free = np.array([i for i in usable if speech.groups[i] not in known], dtype=np.int64)
    notes = _notes(speech, usable, known)
    if not len(free):
        raise TaptHeardError(
            f"TAPT heard every speaker of the {len(usable)} labelled clips that have one: label clips of others, such "
            "as a dev split, or adapt without some of them"
        )
    try:
        return [_random_fold(speech, usable, free, bool(known), seed) for seed in range(seeds)], notes
    except SplitError as error:
        if not known:
            raise TaptEvaluationError(str(error)) from error
    notes.append(
        f"the {len({speech.groups[i] for i in free})} speaker(s) TAPT did not hear are the test of every fold: the "
        "interval says nothing about other speakers"
    )
    return [_fixed_fold(speech, usable, free, seed) for seed in range(seeds)], notes


def share_of(classes: NDArray[np.int64], pool: Positions, fraction: float, seed: int) -> Positions:
    """A share of every class of the pool, at least a clip of each; a smaller share is part of a larger one."""
    rng = np.random.default_rng([seed, 1])
    chosen = []
    for k in np.unique(classes[pool]):
        own = rng.permutation(pool[classes[pool] == k])
        chosen.append(own[: max(1, round(fraction * len(own)))])
    return np.sort(np.concatenate(chosen))


def _notes(speech: LabelledSpeech, usable: Positions, known: Collection[str | None]) -> list[str]:
    lost = len(speech.groups) - len(usable)
    notes = [f"{lost} labelled clips have no speaker: they are left out"] if lost else []
    if known:
        notes.append(f"TAPT heard {len(known)} of the speakers, without labels: they are never tested on")
    return notes


def _random_fold(
    speech: LabelledSpeech, usable: Positions, free: Positions, heard_some: bool, seed: int
) -> EvaluationFold:
    """As few more test speakers than the share asks for as put every class into the test, and two leave the others."""
    groups, names = [speech.groups[i] for i in free], _names(speech, free)
    n_groups = len(set(groups))
    first = max(1, round((UNHEARD_SHARE if heard_some else TEST_SHARE) * n_groups))
    for n_test in range(first, max(n_groups, first + 1)):
        for stream in ([seed, 0], *([seed, 0, again] for again in range(1, DRAWS))):
            try:
                splits = hold_out_speakers(groups, names, n_test, np.random.default_rng(stream))
            except SplitError:
                if n_test + 1 >= n_groups:
                    raise
                break
            test = free[np.array(splits) == "test"]
            fold = EvaluationFold(np.setdiff1d(usable, test), test)
            if _teaches(speech, fold.pool):
                return fold
    raise SplitError("with every class in the test, the other speakers have a single one: label clips of more speakers")


def _fixed_fold(speech: LabelledSpeech, usable: Positions, free: Positions, seed: int) -> EvaluationFold:
    rest = np.setdiff1d(usable, free)
    if not _teaches(speech, rest):
        raise TaptEvaluationError("the speakers TAPT heard have labels of one class only: label more of their clips")
    return EvaluationFold(share_of(speech.classes, rest, KEPT, seed), free)


def _teaches(speech: LabelledSpeech, pool: Positions) -> bool:
    """Whether a probe can learn from these clips: of classes it needs two."""
    classes = speech.classes[pool]
    return not speech.scheme.classes or len(np.unique(classes[classes >= 0])) > 1


def _names(speech: LabelledSpeech, positions: Positions) -> Sequence[str | None]:
    classes = speech.scheme.classes
    return [None if k < 0 else classes[k] for k in speech.classes[positions]]


def mean_overlap(folds: Sequence[EvaluationFold]) -> float:
    """Test clips over the others, averaged: what `tapt.paired` corrects its interval by."""
    return float(np.mean([len(fold.test) / len(fold.pool) for fold in folds]))


def values_of(speech: LabelledSpeech, positions: Positions) -> Floats:
    """(n, m) dimensions of some clips; (n, 0) for a scheme without any."""
    return Truth.of(speech.part(positions)).dimensions
