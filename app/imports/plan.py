"""Which split and which particulars each clip of a corpus gets, and which are refused. Pure: rows in, rows out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from al_core.corpora.corpus import ClipError, CorpusClip
from al_core.leaks import ClipGroups, linked
from al_core.scheme import Scheme
from al_core.splits import SplitError, speaker_disjoint
from app.clips.form import unstorable
from app.clips.service import Particulars, check_dimensions
from app.errors import InvalidError

Labels = Literal["evaluation", "all", "none"]
DEV_SHARE, TEST_SHARE = 0.15, 0.2
_LONGEST = {"external_id": 1000, "speaker": 200, "session": 200, "gender": 50, "text": 100_000}


class CorpusSplitError(InvalidError):
    """The corpus names no splits and cannot be split by speaker."""

    name = "cannot_split"


@dataclass(frozen=True, slots=True)
class Remark:
    """One clip of an import that did not simply become new: which, the reason's name, and a sentence."""

    where: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip of the corpus, what is said of it, and the split it gets when the manifest names none."""

    clip: CorpusClip
    said: Particulars
    default_split: str

    @property
    def speaker(self) -> str:
        """Who speaks; empty when nobody is named."""
        return self.clip.speaker or ""

    @property
    def split(self) -> str:
        """The split it goes to."""
        return self.said.split or self.default_split


def plan_clips(
    clips: Sequence[CorpusClip], scheme: Scheme, labels: Labels, known: Mapping[str, str], seed: int
) -> tuple[list[PlannedClip], list[Remark]]:
    """Split a corpus and say what is kept of each clip.

    Splits are the manifest's where it names any. Otherwise speakers the project knows stay where they are, and the
    others are split by speaker when the project has no evaluation clips yet, or join its training clips when it has.

    Args:
        clips: rows of the corpus.
        scheme: labels outside of it, and values outside the ranges of its dimensions, are refused, unless no label is
            kept. A scheme without classes keeps no label.
        labels: whose reference labels are kept: those of dev and test, everybody's, or nobody's.
        known: speaker → split of the clips the project has.
        seed: of the split.

    Raises:
        CorpusSplitError: too few speakers to give every class a place in dev and test.
    """
    refused: list[Remark] = []
    usable: list[CorpusClip] = []
    for clip in clips:
        why = _unstorable(clip) or (None if labels == "none" else _unknown(clip, scheme) or _off_scale(clip, scheme))
        if why is None:
            usable.append(clip)
        else:
            refused.append(why)
    homes = dict(known) if any(clip.split for clip in usable) else _homes(usable, scheme, labels, known, seed)
    planned = [_planned(clip, homes.get(clip.speaker or "", "train"), scheme, labels) for clip in usable]
    leaking = _leaking_speakers(planned, known)
    stays = [one.speaker not in leaking or one.split == known.get(one.speaker) for one in planned]
    refused += [
        Remark(one.clip.external_id, "speaker_in_two_splits", leaking[one.speaker])
        for one, fine in zip(planned, stays, strict=True)
        if not fine
    ]
    return [one for one, fine in zip(planned, stays, strict=True) if fine], refused


def _unstorable(clip: CorpusClip) -> Remark | None:
    for field, longest in _LONGEST.items():
        value = getattr(clip, field) or ""
        if len(value) > longest or "\0" in value:
            return Remark(clip.external_id[:200], "malformed", f"{field} has {len(value)} characters or a NUL in it")
    for name, value in clip.attributes.items():
        why = unstorable(name, value)
        if why is not None:
            return Remark(clip.external_id, "malformed", f"column {why}")
    return None


def _unknown(clip: CorpusClip, scheme: Scheme) -> Remark | None:
    if clip.label is None or not scheme.classes or clip.label in scheme.classes:
        return None
    detail = f"unknown label {clip.label!r}: the scheme has {', '.join(scheme.classes)}"
    return Remark(clip.external_id, "unknown_label", detail)


def _off_scale(clip: CorpusClip, scheme: Scheme) -> Remark | None:
    try:
        check_dimensions(scheme, _values(clip, scheme))
    except ClipError as error:
        return Remark(clip.external_id, error.code, str(error))
    except InvalidError as error:
        return Remark(clip.external_id, error.extra["code"], error.detail.removeprefix("dimensions: "))
    return None


def _values(clip: CorpusClip, scheme: Scheme) -> dict[str, float] | None:
    """What the corpus says of the scheme's dimensions, or None where it says nothing; ClipError for a word."""
    found = {dimension.name: clip.value(dimension.name) for dimension in scheme.dimensions}
    return {name: value for name, value in found.items() if value is not None} or None


def _homes(
    clips: Sequence[CorpusClip], scheme: Scheme, labels: Labels, known: Mapping[str, str], seed: int
) -> dict[str, str]:
    """Speaker → split; speakers who share a session or a recording share their split."""
    spoken = [clip for clip in clips if clip.speaker is not None]
    names = [clip.label if scheme.classes else None for clip in spoken]
    unlabelled = all(name is None for name in names) and all(_values(clip, scheme) is None for clip in spoken)
    if labels == "none" or unlabelled or {"dev", "test"} & set(known.values()):
        return dict(known)
    groups = [ClipGroups(clip.external_id, clip.speaker, clip.session, str(clip.path)) for clip in spoken]
    try:
        splits = speaker_disjoint(linked(groups), names, DEV_SHARE, TEST_SHARE, np.random.default_rng(seed))
    except SplitError as error:
        raise CorpusSplitError(f"{error}; name the splits in a `split` column, or import with labels=none") from error
    return {clip.speaker or "": split for clip, split in zip(spoken, splits, strict=True)} | dict(known)


def _planned(clip: CorpusClip, default_split: str, scheme: Scheme, labels: Labels) -> PlannedClip:
    split = clip.split or default_split
    dimensions = {dimension.name for dimension in scheme.dimensions}
    keeps_label = labels == "all" or (labels == "evaluation" and split != "train")
    said = Particulars(
        external_id=clip.external_id,
        speaker=clip.speaker or None,
        session=clip.session or None,
        gender=clip.gender or None,
        text=clip.text or None,
        split=clip.split,
        reference_label=clip.label if keeps_label and scheme.classes else None,
        reference_dimensions=_values(clip, scheme) if keeps_label else None,
        attributes={name: text for name, text in clip.attributes.items() if name not in dimensions},
    )
    return PlannedClip(clip, said, default_split)


def _leaking_speakers(planned: Sequence[PlannedClip], known: Mapping[str, str]) -> dict[str, str]:
    """Speaker → why: those who would be in two splits, of the corpus and the project together."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for one in planned:
        if one.speaker:
            splits[one.speaker] |= {one.split, known.get(one.speaker, one.split)}
    return {
        speaker: f"speaker {speaker!r} would be in {' and '.join(sorted(found))}: keep each speaker in one split"
        for speaker, found in splits.items()
        if len(found) > 1
    }
