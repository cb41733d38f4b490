"""What the log of deliveries forgets: ended deliveries that are old, or more than a webhook keeps, and their events.

In short transactions, as annotators write too. The function flushes and never commits.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, Delete, delete, exists, select
from sqlalchemy.orm import Session

from app.models import Delivery, DeliveryState, OutboxEvent, Webhook

AT_ONCE = 500  # rows a transaction


def prune(session: Session, keep_days: float, keep_most: int, *, now: datetime) -> int:
    """Delete up to `AT_ONCE` rows; how many. Nothing that is still to be delivered, and no event whose label was told.

    Args:
        session: of the transaction.
        keep_days: ended deliveries are kept this long, and events without a delivery.
        keep_most: and of each webhook no more than this many of the newest.
        now: when.
    """
    before = now - timedelta(days=keep_days)
    deleted = 0
    for statement in _deletions(session, before, keep_most):
        outcome = session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(outcome, CursorResult)
        deleted += outcome.rowcount
        if deleted >= AT_ONCE:
            break
    return deleted


def _deletions(session: Session, before: datetime, keep_most: int) -> Iterator[Delete]:
    ended = (Delivery.state != DeliveryState.PENDING, Delivery.ended_at.is_not(None))
    old = select(Delivery.id).where(*ended, Delivery.ended_at < before).order_by(Delivery.id).limit(AT_ONCE)
    yield delete(Delivery).where(Delivery.id.in_(old))
    for webhook_id in session.scalars(select(Webhook.id).order_by(Webhook.id)).all():
        own = select(Delivery.id).where(Delivery.webhook_id == webhook_id)
        last = session.scalar(own.order_by(Delivery.id.desc()).offset(keep_most).limit(1))
        if last is not None:
            surplus = own.where(*ended, Delivery.id <= last).order_by(Delivery.id).limit(AT_ONCE)
            yield delete(Delivery).where(Delivery.id.in_(surplus))
    # an event with a subject is what may be told only once: it stays, so that it is not told again
    told = select(OutboxEvent.id).where(
        OutboxEvent.fanned_out,
        OutboxEvent.subject.is_(None),
        OutboxEvent.created_at < before,
        ~exists().where(Delivery.event_id == OutboxEvent.id),
    )
    yield delete(OutboxEvent).where(OutboxEvent.id.in_(told.order_by(OutboxEvent.id).limit(AT_ONCE)))
