"""Webhooks: who is told of what happens here, the outbox it is taken from, and the log of every try."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class DeliveryState(StrEnum):
    """pending → delivered, or given up after the last try; a replay makes it pending again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


_PENDING = "state = 'pending'"
_WAITING = "NOT fanned_out"


class Webhook(Base):
    """One address that is told of a project's events.

    `kinds` are the events it wants; empty means all. The secret signs what is sent: it is shown once, when it is made,
    and kept because a signature needs it. `paused_at` stops deliveries; events of a pause are not sent later.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_project", "project_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2000))
    kinds: Mapped[list[Any]]
    secret: Mapped[str] = mapped_column(String(100))
    paused_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class OutboxEvent(Base):
    """Something that happened, written in the transaction that made it happen: it exists exactly if that did.

    A courier turns it into one delivery a webhook and marks it fanned out, in one transaction. `subject` names what may
    be told only once, such as the label that a certain answer made; null where an event is its own subject.
    """

    __tablename__ = "outbox_events"
    __table_args__ = (
        UniqueConstraint("project_id", "subject"),
        Index("ix_outbox_events_waiting", "id", sqlite_where=text(_WAITING), postgresql_where=text(_WAITING)),
        Index("ix_outbox_events_project", "project_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(50))
    payload: Mapped[dict[str, Any]]
    subject: Mapped[str | None] = mapped_column(String(100))
    fanned_out: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Delivery(Base):
    """One event on its way to one webhook.

    Claimed like everything here: a courier holds it until `expires_at` under a `fence` that grows with every claim, so
    one that dies is replaced and one that comes late cannot overwrite. The receiver may therefore see an event twice,
    with the same id; never not at all. `attempts` counts the tries since it was made or replayed.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        CheckConstraint("state IN ('pending', 'delivered', 'given_up')", name="state"),
        Index("ix_deliveries_due", "due_at", sqlite_where=text(_PENDING), postgresql_where=text(_PENDING)),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(ForeignKey("outbox_events.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    fence: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DeliveryAttempt(Base):
    """One try of a delivery: what came back, or why nothing did. The log, appended only."""

    __tablename__ = "delivery_attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), index=True)
    status: Mapped[int | None]
    seconds: Mapped[float]
    detail: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
