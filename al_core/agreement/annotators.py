"""What each annotator's answers look like beside the others': figures to talk about, never a reason to lock out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from al_core.agreement.answers import Event, Floats, Votes, choices, last_answers, responses, votes_of
from al_core.agreement.intervals import Share, wilson
from al_core.agreement.majority import DISPUTED, most_voted
from al_core.scheme import Scheme

LEAST_DRIFT_ANSWERS = 30  # fewer make no trend


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per clip against clip length, over the answers that tell both.

    Attributes:
        n: answers.
        seconds: median time of an answer.
        ratio: median of time over the clip's length.
        slope: seconds more per second of clip (least squares); near 0 the length does not matter. NaN where clips do
            not differ in length.
        hurried: answers given in less time than the clip lasts.
    """

    n: int
    seconds: float
    ratio: float
    slope: float
    hurried: Share


@dataclass(frozen=True, slots=True)
class Drift:
    """Agreement with the consensus over days.

    Attributes:
        days: (day, agreement of that day's answers), ascending.
        slope: change of agreement a day (least squares over the answers).
        error: its standard error.
    """

    days: tuple[tuple[int, Share], ...]
    slope: float
    error: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One annotator.

    Attributes:
        annotator: key.
        n, n_unclear: clips answered, and how many as unclear; repeats are not counted.
        gold: right answers to clips whose classes are known.
        consensus: answers equal to what most of the *others* said; clips whose others are tied or unclear are left out.
        consistency: repeats answered like the clip's counted answer.
        pace: None without times and lengths.
        drift: None without two days and thirty answers that have a consensus.
    """

    annotator: str
    n: int
    n_unclear: int
    gold: Share
    consensus: Share
    consistency: Share
    pace: Pace | None
    drift: Drift | None


def annotator_figures(
    events: Iterable[Event],
    scheme: Scheme,
    gold: Mapping[str, Collection[str]] | None = None,
    clip_seconds: Mapping[str, float] | None = None,
) -> tuple[Figures, ...]:
    """Figures of every annotator, in order of key.

    Args:
        events: every answer, repeats and answers to gold clips included.
        scheme: the classes.
        gold: clip → its right classes; any of them is right.
        clip_seconds: clip → its length.

    Raises:
        SchemeError, AgreementError: as `votes_of`.
    """
    given = list(events)
    votes, counted = votes_of(given, scheme), last_answers(given)
    agreements = _agreements(votes, counted)
    own: dict[str, list[Event]] = {key: [] for key in votes.annotators}
    for event in counted.values():
        own[event.annotator].append(event)
    consistency = _consistency(given, counted, scheme)
    return tuple(
        Figures(
            key,
            len(own[key]),
            sum(event.answer is None for event in own[key]),
            _gold(own[key], gold or {}, scheme),
            _share([equal for _, equal in agreements[key]]),
            _share(consistency.get(key, [])),
            _pace(own[key], clip_seconds or {}),
            _drift([(day, equal) for day, equal in agreements[key] if day is not None]),
        )
        for key in votes.annotators
    )


def strongest(event: Event, scheme: Scheme) -> int | None:
    """The position of an answer's one strongest class, c for unclear, None where two classes share the place."""
    parts = responses(event, scheme)
    top = max(share for _, share in parts)
    first = [response for response, share in parts if share == top]
    return first[0] if len(first) == 1 else None


def _agreements(votes: Votes, counted: Mapping[tuple[str, str], Event]) -> dict[str, list[tuple[int | None, bool]]]:
    """Annotator → (day, whether his class is what most of the others said) for each clip whose others agree."""
    chosen = choices(votes)
    others = votes.counts()[chosen.clip]  # (k, c + 1)
    size = len(votes.annotators)
    pair, own = votes.clip * size + votes.annotator, chosen.clip * size + chosen.annotator
    mine = np.isin(pair, own)
    np.subtract.at(others, (np.searchsorted(own, pair[mine]), votes.response[mine]), votes.weight[mine])
    consensus = most_voted(others)
    tells = (consensus != DISPUTED) & (consensus < len(votes.classes))
    found: dict[str, list[tuple[int | None, bool]]] = {key: [] for key in votes.annotators}
    rows = zip(chosen.clip[tells], chosen.annotator[tells], (chosen.response == consensus)[tells], strict=True)
    for clip, annotator, equal in rows:
        key = votes.annotators[annotator]
        found[key].append((counted[votes.clips[clip], key].day, bool(equal)))
    return found


def _consistency(
    events: Sequence[Event], counted: Mapping[tuple[str, str], Event], scheme: Scheme
) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for event in events:
        first = counted.get((event.clip, event.annotator))
        if event.repeat and first is not None:
            said = strongest(event, scheme)
            found.setdefault(event.annotator, []).append(said is not None and said == strongest(first, scheme))
    return found


def _gold(own: Sequence[Event], gold: Mapping[str, Collection[str]], scheme: Scheme) -> Share:
    right = []
    for event in own:
        if event.clip in gold:
            said = strongest(event, scheme)
            right.append(said is not None and said < len(scheme) and scheme.classes[said] in gold[event.clip])
    return _share(right)


def _pace(own: Sequence[Event], clip_seconds: Mapping[str, float]) -> Pace | None:
    timed = [
        (event.seconds, clip_seconds[event.clip])
        for event in own
        if event.seconds is not None and clip_seconds.get(event.clip, 0) > 0
    ]
    if not timed:
        return None
    seconds, lengths = np.array(timed, dtype=np.float64).T
    slope = _slope(lengths, seconds)[0]
    hurried = _share((seconds < lengths).tolist())
    return Pace(len(timed), float(np.median(seconds)), float(np.median(seconds / lengths)), slope, hurried)


def _drift(matched: Sequence[tuple[int, bool]]) -> Drift | None:
    if len({day for day, _ in matched}) < 2 or len(matched) < LEAST_DRIFT_ANSWERS:
        return None
    days, equal = np.array(matched, dtype=np.float64).T
    by_day = tuple((int(day), _share((equal[days == day] > 0).tolist())) for day in np.unique(days))
    return Drift(by_day, *_slope(days, equal))


def _slope(x: Floats, y: Floats) -> tuple[float, float]:
    """Least squares slope of y on x and its heteroscedasticity-consistent error (White's HC1); NaN for constant x."""
    centred = x - x.mean()
    squares = float(centred @ centred)
    if squares <= 1e-12:
        return float("nan"), float("nan")
    slope = float(centred @ y) / squares
    residual = y - y.mean() - slope * centred
    n = len(x)
    return slope, float(np.sqrt((centred**2) @ (residual**2) * n / max(n - 2, 1)) / squares)


def _share(hits: Sequence[bool]) -> Share:
    return wilson(sum(hits), len(hits))
