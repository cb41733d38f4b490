"""Which clips somebody has to decide about, with everybody's answers side by side. Reads only."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.adjudication.schemas import AnsweredOut, AnswerOut, DecisionOut, Why, told
from app.annotations.rendering import audio_url
from app.annotations.rules import Adaptive, read_rule
from app.annotations.settings import ADJUDICATION
from app.errors import NotFoundError
from app.labels.accepted import standing
from app.labels.deciding import rulings
from app.labels.given import Given, is_live
from app.labels.mapping import Translation, translation
from app.labels.sure import spread, sureness
from app.models import (
    COUNTED,
    Account,
    Adjudication,
    Annotation,
    Assignment,
    AssignmentState,
    Clip,
    ClipRoute,
    Round,
)

CLIPS_A_READ = 200
WIDE = 0.5  # of a dimension's range: answers further apart are a dispute
EQUAL = 1e-9  # sums of intensities that differ by less are the same


def disputes(session: Session, project_id: int, after: int, limit: int) -> list[AnsweredOut]:
    """Clips in order of id that nobody is being asked about, without a ruling, on which the answers do not settle."""
    found: list[AnsweredOut] = []
    for clip in _disputed(session, project_id, after):
        found.append(clip)
        if len(found) == limit:
            break
    return found


def answered(session: Session, project_id: int, clip_id: int) -> AnsweredOut:
    """One clip with its answers and decisions; NotFoundError when the project has no such clip."""
    own = select(Clip.id).where(Clip.id == clip_id, Clip.project_id == project_id)
    if session.execute(own).first() is None:
        raise NotFoundError(f"project {project_id} has no clip {clip_id}")
    way = translation(session, project_id)
    clip = _side_by_side(session, project_id, [clip_id], way)[0]
    return clip.model_copy(update={"why": None}) if clip_id in rulings(session, project_id, way) else clip


def _disputed(session: Session, project_id: int, after: int) -> Iterator[AnsweredOut]:
    way = translation(session, project_id)
    settled = rulings(session, project_id, way)
    while True:
        clip_ids = _candidates(session, project_id, after)
        unruled = [clip_id for clip_id in clip_ids if clip_id not in settled]
        yield from (clip for clip in _side_by_side(session, project_id, unruled, way) if clip.why is not None)
        if len(clip_ids) < CLIPS_A_READ:
            return
        after = clip_ids[-1]


def _candidates(session: Session, project_id: int, after: int) -> list[int]:
    """Clips after an id whose answers may be disputed: more than a plain look at the rows cannot tell."""
    waits = aliased(Assignment)
    asked = exists().where(
        waits.clip_id == Annotation.clip_id,
        waits.project_id == project_id,
        waits.kind.in_(COUNTED),
        waits.state.in_((AssignmentState.OPEN, AssignmentState.LEASED)),
    )
    doubtful = exists().where(
        ClipRoute.clip_id == Annotation.clip_id,
        ClipRoute.project_id == project_id,
        ClipRoute.decision == "adjudicate",
    )
    several = or_(
        func.count() > 1,
        func.count(Annotation.label) < func.count(),
        func.count(Annotation.effect) > 0,
        doubtful,
    )
    wanted = (
        select(Annotation.clip_id)
        .where(
            Annotation.project_id == project_id,
            Annotation.clip_id > after,
            Annotation.kind.in_(COUNTED),
            is_live(),
            ~asked,
        )
        .group_by(Annotation.clip_id)
        .having(several)
        .order_by(Annotation.clip_id)
        .limit(CLIPS_A_READ)
    )
    return list(session.scalars(wanted))


def _side_by_side(session: Session, project_id: int, clip_ids: Sequence[int], way: Translation) -> list[AnsweredOut]:
    lengths = dict(session.execute(select(Clip.id, Clip.end_s - Clip.start_s).where(Clip.id.in_(clip_ids))).all())
    rows: dict[int, list[tuple[Annotation, str]]] = defaultdict(list)
    for annotation, name in session.execute(
        select(Annotation, Account.name)
        .join(Account, Account.id == Annotation.account_id)
        .where(
            Annotation.project_id == project_id,
            Annotation.clip_id.in_(clip_ids),
            Annotation.kind.in_(COUNTED),
            is_live(),
        )
        .order_by(Annotation.id)
    ):
        rows[annotation.clip_id].append((annotation, name))
    decisions = _decisions(session, project_id, clip_ids)
    adaptive = _adaptive(session, project_id, clip_ids)
    counted = {clip_id: _counted(rows[clip_id], way) for clip_id in clip_ids}
    routes = standing(session, project_id, counted, clip_ids)
    return [
        _clip(
            clip_id,
            lengths[clip_id],
            rows[clip_id],
            decisions.get(clip_id, []),
            routes[clip_id].decision if clip_id in routes else adaptive.get(clip_id),
            way,
        )
        for clip_id in clip_ids
    ]


def _counted(rows: Sequence[tuple[Annotation, str]], way: Translation) -> list[Given]:
    """The answers that hold under the scheme in use, in order."""
    given = (way.bring(_given(row)) for row, _ in rows if row.skip_reason is None)
    return [answer for answer in given if answer is not None]


def _clip(
    clip_id: int,
    duration_s: float,
    rows: Sequence[tuple[Annotation, str]],
    decisions: list[DecisionOut],
    rule: Adaptive | str | None,
    way: Translation,
) -> AnsweredOut:
    given = {row.id: way.bring(_given(row)) for row, _ in rows if row.skip_reason is None}
    counted = [answer for answer in given.values() if answer is not None]
    skipped_by_all = any(row.effect == ADJUDICATION for row, _ in rows)
    votes = _votes(counted, way)
    whole = sum(votes.values())
    return AnsweredOut(
        id=clip_id,
        clip_id=clip_id,
        why=_why(counted, votes, rule, skipped_by_all, way),
        audio_url=audio_url(clip_id),
        duration_s=round(duration_s, 3),
        distribution={name: round(vote / whole, 6) if whole else 0.0 for name, vote in votes.items()},
        answers=[_answer(row, name, given.get(row.id)) for row, name in rows],
        decisions=decisions,
    )


def _why(
    counted: Sequence[Given],
    votes: dict[str, float],
    rule: Adaptive | str | None,
    skipped_by_all: bool,
    way: Translation,
) -> Why | None:
    """What keeps the answers from settling the clip: a tie, mostly unclear, not sure enough, too far apart, skipped.

    `rule` is the decision of a route that holds, or how an adaptive round asks. A clip that was routed to nobody is no
    dispute of its classes, be they tied.
    """
    if not counted:
        return "skipped" if skipped_by_all else None
    if rule == "adjudicate":
        return "doubtful"
    named = any(answer.votes() for answer in counted)
    if rule == "settled" or (rule == "ambiguous" and named):
        return "spread" if spread(counted, way.scheme) > WIDE else None
    top = max(votes.values(), default=0.0)
    unclear = sum(answer.unclear for answer in counted)
    if unclear and unclear >= top - EQUAL:
        return "unclear"
    if top > 0 and sum(vote >= top - EQUAL for vote in votes.values()) > 1:
        return "tie"
    if isinstance(rule, Adaptive) and sureness(counted, way.scheme) < rule.sure:
        return "not_sure"
    return "spread" if spread(counted, way.scheme) > WIDE else None


def _votes(counted: Sequence[Given], way: Translation) -> dict[str, float]:
    votes = dict.fromkeys(way.scheme.classes, 0.0)
    for answer in counted:
        for name, share in answer.votes().items():
            votes[name] += share
    return votes


def _given(row: Annotation) -> Given:
    return Given(
        row.id, row.clip_id, row.account_id, row.scheme_version, row.label, row.intensities, row.unclear, row.dimensions
    )


def _answer(row: Annotation, name: str, brought: Given | None) -> AnswerOut:
    return AnswerOut(
        annotation_id=row.id,
        account_id=row.account_id,
        annotator=name,
        label=row.label,
        intensities=row.intensities,
        unclear=row.unclear,
        dimensions=row.dimensions,
        skip_reason=row.skip_reason,
        comment=row.comment,
        seconds=row.seconds,
        scheme_version=row.scheme_version,
        now=None if brought is None else brought.label,
        created_at=row.created_at,
    )


def _decisions(session: Session, project_id: int, clip_ids: Sequence[int]) -> dict[int, list[DecisionOut]]:
    wanted = decisions_of(project_id).where(Adjudication.clip_id.in_(clip_ids))
    found: dict[int, list[DecisionOut]] = defaultdict(list)
    for row in session.execute(wanted):
        found[row.clip_id].append(told(row))
    return dict(found)


def decisions_of(project_id: int) -> Select[Any]:
    """Every decision of a project with its adjudicator's name, in order."""
    return (
        select(*Adjudication.__table__.columns, Account.name.label("adjudicator"))
        .join(Account, Account.id == Adjudication.account_id)
        .where(Adjudication.project_id == project_id)
        .order_by(Adjudication.id)
    )


def _adaptive(session: Session, project_id: int, clip_ids: Sequence[int]) -> dict[int, Adaptive]:
    """Clip → the rule by which its newest round asks, where that round is adaptive."""
    rows = session.execute(
        select(Assignment.clip_id, Round.adaptive)
        .join(Round, Round.id == Assignment.round_id)
        .where(Assignment.project_id == project_id, Assignment.clip_id.in_(clip_ids), Round.adaptive.is_not(None))
        .order_by(Round.number)
    )
    rules = {clip_id: read_rule(adaptive) for clip_id, adaptive in rows}
    return {clip_id: rule for clip_id, rule in rules.items() if isinstance(rule, Adaptive)}
