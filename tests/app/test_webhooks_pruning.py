"""The log of deliveries forgets what is old or too much, and nothing that is still to be delivered or told once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db import Database, utcnow
from app.models import Delivery, DeliveryAttempt, OutboxEvent, Webhook
from app.webhooks import pruning
from app.webhooks.pruning import prune
from app.webhooks.service import create_webhook


@pytest.fixture
def now() -> datetime:
    return utcnow()


def _log(database: Database, project_id: int, ages_days: Sequence[float], now: datetime, **of: Any) -> int:
    """A webhook with one delivery an age, each with its event and one try; its id."""
    with database.write() as session:
        hook = create_webhook(session, project_id, "https://example.org/hook", [], now=now)
        for days in ages_days:
            at = now - timedelta(days=days)
            event = OutboxEvent(
                project_id=project_id,
                kind="annotation.created",
                payload={},
                subject=of.get("subject"),
                fanned_out=True,
                created_at=at,
            )
            session.add(event)
            session.flush()
            state = of.get("state", "delivered")
            ended = None if state == "pending" else at
            delivery = Delivery(
                webhook_id=hook.id, event_id=event.id, state=state, due_at=at, created_at=at, ended_at=ended
            )
            session.add(delivery)
            session.flush()
            session.add(DeliveryAttempt(delivery_id=delivery.id, status=204, seconds=0.1, detail="", created_at=at))
        return hook.id


def _prune(database: Database, days: float, most: int, now: datetime) -> int:
    with database.write() as session:
        return prune(session, days, most, now=now)


def _left(database: Database) -> tuple[int, ...]:
    with database.read() as session:
        tables = (Delivery, DeliveryAttempt, OutboxEvent)
        return tuple(session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def test_what_ended_long_ago_goes_with_its_tries_and_its_event(
    database: Database, annotating: Any, now: datetime
) -> None:
    _log(database, annotating(database).project_id, [40, 31, 29, 0], now)
    assert _prune(database, 30, 1000, now) == 4
    assert _left(database) == (2, 2, 2)
    assert _prune(database, 30, 1000, now) == 0


def test_each_webhook_keeps_its_newest(database: Database, annotating: Any, now: datetime) -> None:
    project_id = annotating(database).project_id
    busy = _log(database, project_id, [5, 4, 3, 2, 1], now)
    calm = _log(database, project_id, [1], now)
    _prune(database, 30, 2, now)
    with database.read() as session:
        of_busy = session.scalars(select(Delivery.created_at).where(Delivery.webhook_id == busy)).all()
        assert sorted((now - at).days for at in of_busy) == [1, 2]
        assert session.scalar(select(func.count()).where(Delivery.webhook_id == calm)) == 1


def test_what_is_still_to_be_delivered_stays_however_old(database: Database, annotating: Any, now: datetime) -> None:
    _log(database, annotating(database).project_id, [400, 300], now, state="pending")
    assert _prune(database, 1, 0, now) == 0
    assert _left(database) == (2, 2, 2)


def test_an_event_that_may_be_told_only_once_is_remembered(database: Database, annotating: Any, now: datetime) -> None:
    _log(database, annotating(database).project_id, [400], now, subject="label:1")
    _prune(database, 30, 1000, now)
    assert _left(database) == (0, 0, 1)


def test_a_transaction_deletes_no_more_than_some_rows(
    database: Database, annotating: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 3)
    _log(database, annotating(database).project_id, [40] * 5, now)
    deleted = [_prune(database, 30, 1000, now) for _ in range(5)]
    assert deleted == [3, 5, 2, 0, 0]
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Webhook)) == 1
