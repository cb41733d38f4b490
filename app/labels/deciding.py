"""Answers and rulings of a project → what each clip is: the estimator the project chose, over the live events."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.agreement import EvaluatorWeighted, Event, Majority, Rating, estimate, ratings_of, votes_of, weigh
from al_core.agreement.specs import Estimator
from al_core.scheme import Dimension, Scheme
from app.annotations.settings import read_annotating
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
        name: its class; None: a dispute, or a scheme of dimensions alone.
        distribution: over the scheme's classes, summing to 1, or all 0 without a class.
        dimensions: in the scheme's order, NaN where unknown.
        n_answers: how many answers made it.
    """

    name: str | None
    distribution: tuple[float, ...]
    dimensions: tuple[float, ...]
    n_answers: int


def decide(session: Session, project_id: int) -> dict[int, Decided]:
    """Every clip with an answer or a ruling, but those an adjudicator excluded; the project must exist."""
    way = translation(session, project_id)
    answers = by_clip(counted(session, project_id, way))
    given_rulings = rulings(session, project_id, way)
    excluded = {clip for clip, ruling in given_rulings.items() if ruling.decision == Decision.EXCLUDE}
    stored = session.execute(select(Project.annotating).where(Project.id == project_id)).scalar_one()
    estimator = read_annotating(stored).labels
    classes = _classes(session, project_id, way, answers, given_rulings, estimator)
    values = _dimensions(answers, way.scheme)
    nothing = (0.0,) * len(way.scheme.classes)
    decided = {}
    for clip_id in sorted((answers.keys() | given_rulings.keys()) - excluded):
        name, distribution = _ruled(given_rulings.get(clip_id), classes.get(clip_id, (None, nothing)), way.scheme)
        rated = values.get(clip_id, {})
        if clip_id in given_rulings:
            rated = {**rated, **given_rulings[clip_id].dimensions}
        dimensions = tuple(rated.get(dimension.name, UNKNOWN) for dimension in way.scheme.dimensions)
        decided[clip_id] = Decided(name, distribution, dimensions, len(answers.get(clip_id, ())))
    return decided


def counted(session: Session, project_id: int, way: Translation) -> list[Given]:
    """The live answers that still hold under the scheme in use."""
    brought = (way.bring(given) for given in live_answers(session, project_id))
    return [given for given in brought if given is not None]


def rulings(session: Session, project_id: int, way: Translation) -> dict[int, Ruling]:
    """The newest ruling of every clip. One for a class that was split since decides nothing any more."""
    rows = session.scalars(
        select(Adjudication)
        .where(Adjudication.project_id == project_id, Adjudication.decision.in_(RULINGS))
        .order_by(Adjudication.id)
    )
    newest = {row.clip_id: row for row in rows}
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


def _classes(
    session: Session,
    project_id: int,
    way: Translation,
    answers: Mapping[int, Sequence[Given]],
    given_rulings: Mapping[int, Ruling],
    estimator: Estimator,
) -> dict[int, tuple[str | None, tuple[float, ...]]]:
    """Clip → class (None: a dispute) and distribution. An ambiguous clip keeps its distribution, name or not."""
    said = [event_of(given) for clip in answers.values() for given in clip if says_class(given)]
    known = {str(clip): ruling.label for clip, ruling in given_rulings.items() if ruling.label is not None}
    if not isinstance(estimator, Majority):  # gold answers teach who is right; majority has nothing to learn
        taught, right = _gold(session, project_id, way, answers)
        said, known = said + taught, known | right
    if not said or not way.scheme.classes:
        return {}
    made = estimate(votes_of(said, way.scheme), estimator, known)
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
    """Answers to gold clips of one right class that nobody answered for a label, and that class."""
    sure = select(GoldClip.clip_id, GoldClip.labels).where(GoldClip.project_id == project_id)
    right = {
        clip_id: str(labels[0])
        for clip_id, labels in session.execute(sure)
        if len(labels) == 1 and clip_id not in answers
    }
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
    brought = [way.bring(Given(*row)) for row in rows if row.clip_id in right]
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
