"""What the newest round that routes decided about its clips. Reads rows; nothing is computed anew."""

from collections.abc import Collection

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.annotations.rules import Routed, read_rule
from app.annotators.routing_schemas import RouteCounts, RouteOut, RoutingOut
from app.labels.accepted import holds
from app.labels.deciding import counted
from app.labels.given import by_clip
from app.labels.mapping import translation
from app.models import Assignment, AssignmentState, ClipRoute, Kind, Round

_LIVE = (AssignmentState.OPEN, AssignmentState.LEASED, AssignmentState.DONE)
_WAITS = (AssignmentState.OPEN, AssignmentState.LEASED)


def routing(session: Session, project_id: int, after: int, limit: int) -> RoutingOut:
    """A page of decisions of a project that exists, and how many clips of the round are where."""
    turn, rule = _newest(session, project_id)
    if turn is None or rule is None:
        return RoutingOut(items=[], round=None, rule=None, counts=RouteCounts())
    wanted = select(ClipRoute).where(ClipRoute.round_id == turn.id, ClipRoute.clip_id > after)
    rows = list(session.scalars(wanted.order_by(ClipRoute.clip_id).limit(limit + 1)))
    page = rows[:limit]
    clip_ids = [row.clip_id for row in page]
    answers = by_clip(counted(session, project_id, translation(session, project_id), clip_ids))
    waiting = _waiting(session, turn.id, clip_ids)
    return RoutingOut(
        items=[_told(row, rule, row.clip_id in waiting, holds(row, answers.get(row.clip_id, ()))) for row in page],
        next_after=page[-1].clip_id if len(rows) > limit else None,
        round=turn.number,
        rule=rule,
        counts=_counts(session, turn.id),
    )


def _newest(session: Session, project_id: int) -> tuple[Round | None, Routed | None]:
    ruled = select(Round).where(Round.project_id == project_id, Round.adaptive.is_not(None))
    for turn in session.scalars(ruled.order_by(Round.number.desc())):
        rule = read_rule(turn.adaptive or {})
        if isinstance(rule, Routed):
            return turn, rule
    return None, None


def _waiting(session: Session, round_id: int, clip_ids: Collection[int]) -> set[int]:
    """Those of the clips that somebody is being asked about."""
    asked = select(Assignment.clip_id).where(Assignment.round_id == round_id, Assignment.clip_id.in_(clip_ids))
    return set(session.scalars(asked.where(Assignment.state.in_(_WAITS))))


def _counts(session: Session, round_id: int) -> RouteCounts:
    decided = select(ClipRoute.decision, func.count()).where(ClipRoute.round_id == round_id)
    routed = exists().where(ClipRoute.round_id == round_id, ClipRoute.clip_id == Assignment.clip_id)
    new = select(func.count(Assignment.clip_id.distinct())).where(
        Assignment.round_id == round_id, Assignment.kind == Kind.ANSWER, Assignment.state.in_(_LIVE), ~routed
    )
    counts = dict(session.execute(decided.group_by(ClipRoute.decision)).all())
    return RouteCounts(new=session.scalar(new) or 0, **counts)


def _told(row: ClipRoute, rule: Routed, waiting: bool, still: bool) -> RouteOut:
    names = ("clip_id", "decision", "label", "n_answers", "checkpoint_id")
    figures = ("uncertainty", "confidence", "gain", "mending", "ambiguity")
    return RouteOut(
        id=row.clip_id,
        reason=_reason(row, rule),
        waiting=waiting,
        holds=still,
        decided_at=row.created_at,
        **{name: getattr(row, name) for name in names},
        **{name: round(getattr(row, name), 6) for name in figures},
    )


def _reason(row: ClipRoute, rule: Routed) -> str:
    match row.decision:
        case "ask":
            value = row.uncertainty * row.gain
            return f"one more answer is worth {value:.3g} of confidence, and its price is {rule.price:g}"
        case "adjudicate":
            return f"most listeners hear another class with a chance of {row.mending:.2f}, which pays for a ruling"
        case "ambiguous":
            return f"with a chance of {row.ambiguity:.2f} no class is heard by most, and no answer pays for itself"
    if row.confidence >= rule.sure:
        return f"its confidence of {row.confidence:.2f} reaches {rule.sure:g}"
    return f"not sure ({row.confidence:.2f}), but nothing that would change it is worth its price"
