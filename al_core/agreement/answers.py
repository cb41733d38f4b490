"""Annotation events as plain values, and the arrays of votes that every estimator counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_core.scheme import Scheme

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class AgreementError(ValueError):
    """Nothing to decide on, or an answer that decides nothing; the sentence names the clip and what to do."""


@dataclass(frozen=True, slots=True)
class Event:
    """One answer of one annotator to one clip.

    Attributes:
        clip, annotator: keys.
        answer: a class name; intensities by class name, ≥ 0 and at least one above 0; or None for "unclear".
        order: of an annotator's several answers to a clip the one of the highest order counts (a revision), the later
            in the sequence where orders are equal.
        repeat: asked again without the annotator's knowledge. It tells how steady he is and is no second vote.
        seconds: from hearing to answering; None where unknown.
        day: the day it was given, as a running number (`date.toordinal()`); None where unknown.
    """

    clip: str
    annotator: str
    answer: str | Mapping[str, float] | None
    order: int = 0
    repeat: bool = False
    seconds: float | None = None
    day: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Who answered what, one row a class named in an answer, sorted by clip, annotator and response.

    Attributes:
        classes: c class names in the scheme's order; response c is "unclear".
        clips: n keys, sorted.
        annotators: a keys, sorted.
        clip, annotator, response: (m,) int64 positions in the three above.
        weight: (m,) float64 share of the answer that the row is: 1 for a single class, intensities over their sum
            otherwise. The weights of one annotator's answer to one clip sum to 1.
    """

    classes: tuple[str, ...]
    clips: tuple[str, ...]
    annotators: tuple[str, ...]
    clip: Ints
    annotator: Ints
    response: Ints
    weight: Floats

    def counts(self) -> Floats:
        """(n, c + 1) float64, the votes each clip gave each class, "unclear" last."""
        width = len(self.classes) + 1
        flat = np.bincount(self.clip * width + self.response, self.weight, len(self.clips) * width)
        return flat.astype(np.float64).reshape(len(self.clips), width)


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """One class an answer: (k,) int64 positions of clip, annotator and response, sorted by clip, then annotator."""

    clip: Ints
    annotator: Ints
    response: Ints


def votes_of(events: Iterable[Event], scheme: Scheme) -> Votes:
    """The votes of the events: each annotator's last answer to each clip, repeats left out.

    The result does not depend on the order of the events where their `order` differs.

    Raises:
        SchemeError: an answer names no class of the scheme.
        AgreementError: intensities that are negative, not finite or all zero.
    """
    last = last_answers(events)
    clips = sorted({clip for clip, _ in last})
    annotators = sorted({annotator for _, annotator in last})
    clip_at = {key: i for i, key in enumerate(clips)}
    annotator_at = {key: i for i, key in enumerate(annotators)}
    class_at = {name: i for i, name in enumerate(scheme.classes)}
    rows: list[tuple[int, int, int, float]] = []
    for (clip, annotator), event in last.items():
        where = clip_at[clip], annotator_at[annotator]
        if isinstance(event.answer, str) and event.answer in class_at:  # the common case, and the fast one
            rows.append((*where, class_at[event.answer], 1.0))
        else:
            rows += [(*where, response, share) for response, share in responses(event, scheme)]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    clip_rows, annotator_rows, response_rows = (np.array(column, dtype=np.int64) for column in columns[:3])
    weight = np.array(columns[3], dtype=np.float64)
    return sorted_votes(scheme, clips, annotators, clip_rows, annotator_rows, response_rows, weight)


def last_answers(events: Iterable[Event]) -> dict[tuple[str, str], Event]:
    """(clip, annotator) → the answer that counts: the last in order that is no repeat."""
    last: dict[tuple[str, str], Event] = {}
    for event in events:
        held = last.get((event.clip, event.annotator))
        if not event.repeat and (held is None or event.order >= held.order):
            last[event.clip, event.annotator] = event
    return last


def responses(event: Event, scheme: Scheme) -> list[tuple[int, float]]:
    """(response, share) pairs of one answer, shares above 0 and summing to 1; see `votes_of` for what is refused."""
    if event.answer is None:
        return [(len(scheme), 1.0)]
    if isinstance(event.answer, str):
        return [(scheme.index(event.answer), 1.0)]
    named = {scheme.index(name): float(intensity) for name, intensity in event.answer.items()}
    total = sum(named.values())
    if not named or not np.isfinite(total) or min(named.values()) < 0 or total <= 0:
        raise AgreementError(
            f"the intensities of {event.annotator} for clip {event.clip} are {dict(event.answer)}: give finite ones, "
            "none below 0 and one above, or answer unclear"
        )
    return [(response, intensity / total) for response, intensity in sorted(named.items()) if intensity > 0]


def sorted_votes(
    scheme: Scheme,
    clips: Iterable[str],
    annotators: Iterable[str],
    clip: Ints,
    annotator: Ints,
    response: Ints,
    weight: Floats | None = None,
) -> Votes:
    """Votes from columns of positions, for tables too large for one object an event; weights are 1 where None.

    Raises:
        AgreementError: a position outside its list, or keys that are not sorted.
    """
    clips, annotators = tuple(clips), tuple(annotators)
    for name, column, size in (
        ("clip", clip, len(clips)),
        ("annotator", annotator, len(annotators)),
        ("response", response, len(scheme) + 1),
    ):
        if len(column) and not 0 <= column.min() <= column.max() < size:
            raise AgreementError(f"a {name} position lies outside 0 … {size - 1}: check the columns")
    if list(clips) != sorted(set(clips)) or list(annotators) != sorted(set(annotators)):
        raise AgreementError("keys of clips and annotators must be sorted and different: sort them first")
    order = np.lexsort((response, annotator, clip))
    weight = np.ones(len(clip)) if weight is None else weight
    return Votes(
        scheme.classes, clips, annotators, clip[order], annotator[order], response[order], weight[order].astype(float)
    )


def choices(votes: Votes) -> Choices:
    """The class of each answer: its strongest. Answers that are unclear, or strongest in two classes, are left out."""
    pair = votes.clip * len(votes.annotators) + votes.annotator
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]]) if len(pair) else np.empty(0, np.int64)
    top = np.maximum.reduceat(votes.weight, starts) if len(starts) else np.empty(0)
    answer = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(pair)]))
    strongest = votes.weight == top[answer]
    alone = np.bincount(answer[strongest], minlength=len(starts)) == 1
    kept = strongest & alone[answer] & (votes.response < len(votes.classes))
    return Choices(votes.clip[kept], votes.annotator[kept], votes.response[kept])
