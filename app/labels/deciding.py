"""Answers and rulings of a project → what each clip is: the estimator the project chose, over the live events."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.agreement import (
    Estimate,
    EvaluatorWeighted,
    Event,
    Majority,
    Rating,
    digest,
    estimate,
    ratings_of,
    votes_of,
    weigh,
)
from al_core.agreement.specs import Estimator
from al_core.scheme import Dimension, Scheme
from app.annotations.settings import read_annotating
from app.labels.accepted import accepted
from app.labels.given import Given, by_clip, is_live, live_answers
from app.labels.mapping import Translation, translation
from app.models import RULINGS, Adjudication, Annotation, Decision, GoldClip, Kind, Project

UNKNOWN = math.nan


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an adjudicator decided, in the words of the scheme in use."""

    decision: Decision
    label: str | None
    dimensions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Decided:
    """What is known of one clip.

    Attributes:
        name: its class; None: a dispute, a scheme of dimensions alone, or a clip that an adjudicator excluded.
        distribution: over the scheme's classes, what is trained on: summing to 1, or all 0 without a class.
        dimensions: in the scheme's order, NaN where unknown.
        n_answers: how many answers made it.
        shares: over the scheme's classes, what the answers say whether they settle it or not; all 0 without any.
        ruled: whether an adjudicator decided.
    """

    name: str | None
    distribution: tuple[float, ...]
    dimensions: tuple[float, ...]
    n_answers: int
    shares: tuple[float, ...] = ()
    ruled: bool = False


@dataclass(frozen=True, slots=True)
class Decisions:
    """Every clip with an answer or a ruling, and the digest of the estimate behind them; None without classes."""

    clips: Mapping[int, Decided]
    digest: str | None


def decide(session: Session, project_id: int, clip_ids: Collection[int] | None = None) -> Mapping[int, Decided]:
    """Every clip with an answer or a ruling, or those of `clip_ids`; the project must exist.

    Where a clip's label depends on its own answers alone (`separable`), a few clips are decided without the others.
    """
    if clip_ids is None or separable(session, project_id):
        return decisions(session, project_id, clip_ids).clips
    wanted = set(clip_ids)
    every = decisions(session, project_id).clips
    return {clip_id: found for clip_id, found in every.items() if clip_id in wanted}


def separable(session: Session, project_id: int) -> bool:
    """Whether a clip's label depends on its own answers alone: plain majority, and no dimensions to weigh."""
    estimator = estimator_of(session, project_id)
    scheme = translation(session, project_id).scheme
    return isinstance(estimator, Majority) and estimator.dispute_below == 0 and not scheme.dimensions


def decisions(session: Session, project_id: int, clip_ids: Collection[int] | None = None) -> Decisions:
    """What the answers and rulings of a project amount to, or of the clips named, as if there were no others."""
    way = translation(session, project_id)
    answers = by_clip(counted(session, project_id, way, clip_ids))
    given_rulings = rulings(session, project_id, way, clip_ids)
    accepts = accepted(session, project_id, answers, clip_ids)
    made = estimated(session, project_id, way, answers, given_rulings)
    classes = {} if made is None else _classes(made, answers)
    values = _dimensions(answers, way.scheme)
    ambiguous = Ruling(Decision.AMBIGUOUS, None, {})
    clips = {}
    for clip_id in sorted(answers.keys() | given_rulings.keys()):
        ruling = given_rulings.get(clip_id)
        clips[clip_id] = _decided(
            ruling or (ambiguous if clip_id in accepts else None),
            classes.get(clip_id, (None, (0.0,) * len(way.scheme.classes))),
            values.get(clip_id, {}),
            len(answers.get(clip_id, ())),
            way.scheme,
            ruled=ruling is not None,
        )
    return Decisions(clips, None if made is None else digest(made))


def _decided(
    ruling: Ruling | None,
    estimated_class: tuple[str | None, tuple[float, ...]],
    rated: Mapping[str, float],
    n: int,
    scheme: Scheme,
    *,
    ruled: bool,
) -> Decided:
    shares = estimated_class[1]
    if ruling is not None and ruling.decision == Decision.EXCLUDE:
        return Decided(None, (0.0,) * len(shares), (UNKNOWN,) * len(scheme.dimensions), n, shares, ruled)
    name, distribution = _ruled(ruling, estimated_class, scheme)
    rated = {**rated, **(ruling.dimensions if ruling is not None else {})}
    dimensions = tuple(rated.get(dimension.name, UNKNOWN) for dimension in scheme.dimensions)
    return Decided(name, distribution, dimensions, n, shares, ruled)


def estimated(
    session: Session,
    project_id: int,
    way: Translation,
    answers: Mapping[int, Sequence[Given]],
    given_rulings: Mapping[int, Ruling],
) -> Estimate | None:
    """The project's estimator over these answers; None where there is no class to estimate.

    A class that a ruling named, or the one right class of a gold clip, is known: it is the clip's label, and the
    estimators that learn about annotators learn from it who is right.
    """
    said = [event_of(given) for clip in answers.values() for given in clip if says_class(given)]
    taught, known = _gold(session, project_id, way, answers)
    known |= {str(clip): ruling.label for clip, ruling in given_rulings.items() if ruling.label is not None}
    estimator = estimator_of(session, project_id)
    if not isinstance(estimator, Majority):  # majority has nothing to learn
        said += taught
    if not said or not way.scheme.classes:
        return None
    return estimate(votes_of(said, way.scheme), estimator, known)


def estimator_of(session: Session, project_id: int) -> Estimator:
    """The estimator the project chose."""
    stored = session.execute(select(Project.annotating).where(Project.id == project_id)).scalar_one()
    return read_annotating(stored).labels


def counted(
    session: Session, project_id: int, way: Translation, clip_ids: Collection[int] | None = None
) -> list[Given]:
    """The live answers, of all clips or of some, that still hold under the scheme in use."""
    brought = (way.bring(given) for given in live_answers(session, project_id, clip_ids))
    return [given for given in brought if given is not None]


def rulings(
    session: Session, project_id: int, way: Translation, clip_ids: Collection[int] | None = None
) -> dict[int, Ruling]:
    """The newest ruling of every clip, or of some. One for a class that was split since decides nothing any more."""
    wanted = select(Adjudication).where(Adjudication.project_id == project_id, Adjudication.decision.in_(RULINGS))
    if clip_ids is not None:
        wanted = wanted.where(Adjudication.clip_id.in_(clip_ids))
    newest = {row.clip_id: row for row in session.scalars(wanted.order_by(Adjudication.id))}
    found = {}
    for clip_id, row in newest.items():
        said = Given(0, clip_id, row.account_id, row.scheme_version, row.label, None, False, row.dimensions)
        brought = way.bring(said)
        if row.decision != Decision.LABEL or brought is not None:
            label, dimensions = (None, None) if brought is None else (brought.label, brought.dimensions)
            found[clip_id] = Ruling(Decision(row.decision), label, dimensions or {})
    return found


def _ruled(
    ruling: Ruling | None, estimated: tuple[str | None, tuple[float, ...]], scheme: Scheme
) -> tuple[str | None, tuple[float, ...]]:
    """The class and distribution: the ruling's class, the likeliest of an ambiguous clip, or the estimate's."""
    name, distribution = estimated
    if ruling is not None and ruling.label is not None:
        return ruling.label, tuple(float(name == ruling.label) for name in scheme.classes)
    if ruling is not None and ruling.decision == Decision.AMBIGUOUS and any(distribution):
        return scheme.classes[distribution.index(max(distribution))], distribution
    return (None, (0.0,) * len(distribution)) if name is None else (name, distribution)


def _classes(made: Estimate, answers: Mapping[int, Sequence[Given]]) -> dict[int, tuple[str | None, tuple[float, ...]]]:
    """Answered clip → class (None: a dispute) and distribution."""
    rows = zip(made.clips, made.labels, made.distributions.tolist(), strict=True)
    return {int(clip): (label, tuple(row)) for clip, label, row in rows if int(clip) in answers}


def says_class(given: Given) -> bool:
    """Whether the answer says something of the class, be it that none can be told."""
    return given.unclear or given.label is not None or given.intensities is not None


def event_of(given: Given) -> Event:
    """The answer as the estimators read it."""
    answer = None if given.unclear else given.intensities if given.intensities is not None else given.label
    return Event(str(given.clip_id), str(given.account_id), answer, order=given.annotation_id)


def _gold(
    session: Session, project_id: int, way: Translation, answers: Mapping[int, Sequence[Given]]
) -> tuple[list[Event], dict[str, str]]:
    """Answers to gold clips of one right class that nobody answered for a label, and that class of every such clip."""
    sure = select(GoldClip.clip_id, GoldClip.labels).where(GoldClip.project_id == project_id)
    right = {clip_id: str(labels[0]) for clip_id, labels in session.execute(sure) if len(labels) == 1}
    right = {clip_id: name for clip_id, name in right.items() if name in way.scheme.classes}
    rows = session.execute(
        select(
            Annotation.id, Annotation.clip_id, Annotation.account_id, Annotation.scheme_version, Annotation.label,
            Annotation.intensities, Annotation.unclear, Annotation.dimensions,
        ).where(
            Annotation.project_id == project_id,
            Annotation.kind.in_((Kind.GOLD, Kind.QUALIFICATION)),
            Annotation.skip_reason.is_(None),
            is_live(),
        )
    )  # fmt: skip
    brought = [way.bring(Given(*row)) for row in rows if row.clip_id in right and row.clip_id not in answers]
    events = [event_of(given) for given in brought if given is not None and says_class(given)]
    return events, {str(clip_id): name for clip_id, name in right.items()}


def _dimensions(answers: Mapping[int, Sequence[Given]], scheme: Scheme) -> dict[int, dict[str, float]]:
    """Clip → dimension → value, each annotator weighted by how well he follows the others."""
    values: dict[int, dict[str, float]] = defaultdict(dict)
    for dimension in scheme.dimensions:
        said = _ratings(answers, dimension)
        if not said:
            continue
        made = weigh(ratings_of(said, dimension), EvaluatorWeighted())
        for clip, value in zip(made.clips, made.values.tolist(), strict=True):
            values[int(clip)][dimension.name] = value
    return values


def _ratings(answers: Mapping[int, Sequence[Given]], dimension: Dimension) -> list[Rating]:
    return [
        Rating(str(clip_id), str(given.account_id), given.dimensions[dimension.name], order=given.annotation_id)
        for clip_id, clip in answers.items()
        for given in clip
        if given.dimensions and dimension.name in given.dimensions
    ]
