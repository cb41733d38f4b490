"""The way of a delivery: fanned out from an event, claimed, recorded, tried again later, given up, replayed.

The functions flush and never commit. The courier calls them between its tries; no transaction is open while one runs.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, CursorResult, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.models import Delivery, DeliveryAttempt, DeliveryState, OutboxEvent, Webhook
from app.webhooks.sending import Letter, Outcome

EVENTS_AT_ONCE = 200
LETTERS_AT_ONCE = 16
LONGEST_WAIT_S = 3600.0


def waiting(session: Session) -> list[OutboxEvent]:
    """The oldest events that were not fanned out yet."""
    wanted = select(OutboxEvent).where(~OutboxEvent.fanned_out).order_by(OutboxEvent.id).limit(EVENTS_AT_ONCE)
    return list(session.scalars(wanted))


def fan_out(session: Session, event_ids: Sequence[int], *, now: datetime) -> list[OutboxEvent]:
    """One delivery a webhook for each of these events, and the events marked: both or neither.

    Returns those of them that nobody else fanned out meanwhile.
    """
    wanted = select(OutboxEvent).where(OutboxEvent.id.in_(event_ids), ~OutboxEvent.fanned_out).order_by(OutboxEvent.id)
    events = list(session.scalars(wanted.with_for_update(skip_locked=True)))
    projects = {event.project_id for event in events}
    hooks = session.scalars(select(Webhook).where(Webhook.project_id.in_(projects), Webhook.paused_at.is_(None))).all()
    rows = [
        {"webhook_id": hook.id, "event_id": event.id, "state": DeliveryState.PENDING, "due_at": now, "created_at": now}
        | {"attempts": 0, "fence": 0}
        for event in events
        for hook in hooks
        if hook.project_id == event.project_id and wants(hook, event)
    ]
    if rows:
        session.execute(insert(Delivery), rows)
    for event in events:
        event.fanned_out = True
    session.flush()
    return events


def wants(hook: Webhook, event: OutboxEvent) -> bool:
    """Whether the webhook is told of this event; a ping names the one it is for."""
    if event.kind == "ping":
        return bool(event.payload.get("webhook_id") == hook.id)
    return not hook.kinds or event.kind in hook.kinds


def anything_to_do(session: Session, *, now: datetime) -> bool:
    """Whether a courier would find work: an idle one asks this first, so that it does not take the write lock."""
    new = exists().where(~OutboxEvent.fanned_out)
    due = exists().where(*_due(now))
    return bool(session.scalar(select(or_(new, due))))


def claim(session: Session, lease_s: float, *, now: datetime) -> list[Letter]:
    """The next due deliveries of one webhook, oldest first, held for `lease_s` seconds; empty when nothing is due.

    A webhook whose deliveries somebody holds is left alone: one that hangs holds up itself and nobody else.
    """
    held = exists().where(Delivery.webhook_id == Webhook.id, Delivery.state == "pending", Delivery.expires_at > now)
    first_due = select(func.min(Delivery.due_at)).where(Delivery.webhook_id == Webhook.id, *_due(now)).scalar_subquery()
    free = select(Webhook).where(Webhook.paused_at.is_(None), ~held, first_due.is_not(None)).order_by(first_due)
    hook = session.scalars(free.limit(1).with_for_update(skip_locked=True)).one_or_none()
    if hook is None:
        return []
    chosen = select(Delivery.id).where(Delivery.webhook_id == hook.id, *_due(now)).order_by(Delivery.event_id)
    rows = session.execute(
        update(Delivery)
        .where(Delivery.id.in_(chosen.limit(LETTERS_AT_ONCE).scalar_subquery()))
        .values(fence=Delivery.fence + 1, expires_at=now + timedelta(seconds=lease_s))
        .returning(Delivery.id, Delivery.fence, Delivery.event_id)
        .execution_options(synchronize_session=False)
    ).all()
    events = {
        event.id: event
        for event in session.scalars(select(OutboxEvent).where(OutboxEvent.id.in_([row.event_id for row in rows])))
    }
    return [
        _letter(row.id, row.fence, hook, events[row.event_id]) for row in sorted(rows, key=lambda row: row.event_id)
    ]


def record(
    session: Session, tried: Sequence[tuple[Letter, Outcome]], most_attempts: int, backoff_s: float, *, now: datetime
) -> None:
    """Log each try and settle its delivery, unless another courier holds it by now."""
    for letter, outcome in tried:
        log = {"delivery_id": letter.delivery_id, "status": outcome.status, "seconds": round(outcome.seconds, 4)}
        session.execute(insert(DeliveryAttempt).values(**log, detail=outcome.detail.replace("\0", ""), created_at=now))
        held = (Delivery.id == letter.delivery_id, Delivery.fence == letter.fence, Delivery.state == "pending")
        delivery = session.scalars(select(Delivery).where(*held).with_for_update()).one_or_none()
        if delivery is None:
            continue
        delivery.attempts += 1
        delivery.expires_at = None
        if outcome.delivered:
            delivery.state, delivery.ended_at = DeliveryState.DELIVERED, now
        elif delivery.attempts >= most_attempts:
            delivery.state, delivery.ended_at = DeliveryState.GIVEN_UP, now
        else:
            delivery.due_at = now + timedelta(seconds=wait_s(delivery.attempts, backoff_s))
    session.flush()


def wait_s(attempts: int, backoff_s: float) -> float:
    """Seconds until the next try: doubled by every failure up to an hour, then anywhere from half to one and a half.

    The jitter keeps what failed together from coming back together.
    """
    doubled = min(backoff_s * 2.0 ** min(attempts - 1, 30), LONGEST_WAIT_S)
    return doubled * random.uniform(0.5, 1.5)


def release(session: Session, letters: Sequence[Letter]) -> None:
    """Give back what was claimed and not tried."""
    for letter in letters:
        session.execute(
            update(Delivery)
            .where(Delivery.id == letter.delivery_id, Delivery.fence == letter.fence, Delivery.state == "pending")
            .values(expires_at=None)
            .execution_options(synchronize_session=False)
        )


def replay(session: Session, delivery_ids: Sequence[int], *, now: datetime) -> int:
    """Send these again, delivered or given up, with a full number of tries; what is pending is tried at once."""
    outcome = session.execute(
        update(Delivery)
        .where(Delivery.id.in_(delivery_ids))
        .values(
            state=DeliveryState.PENDING,
            attempts=0,
            due_at=now,
            ended_at=None,
            expires_at=None,
            fence=Delivery.fence + 1,
        )
        .execution_options(synchronize_session=False)
    )
    assert isinstance(outcome, CursorResult)
    return outcome.rowcount


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(Delivery.expires_at.is_(None), Delivery.expires_at <= now)
    return (Delivery.state == "pending", Delivery.due_at <= now, free)


def _letter(delivery_id: int, fence: int, hook: Webhook, event: OutboxEvent) -> Letter:
    return Letter(
        delivery_id=delivery_id,
        fence=fence,
        url=hook.url,
        secret=hook.secret,
        event_id=event.id,
        kind=event.kind,
        project_id=event.project_id,
        happened_at=event.created_at,
        data=event.payload,
    )
