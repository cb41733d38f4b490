"""Webhooks and their deliveries over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.models import Delivery, DeliveryAttempt, DeliveryState, OutboxEvent
from app.paging import Listed
from app.webhooks.outbox import EventKind

_AT = "2026-01-31T09:05:00Z"
_HOOK: JsonDict = {
    "id": 1,
    "project_id": 1,
    "url": "https://example.org/afterloop",
    "kinds": ["round.ready", "round.finished"],
    "paused_at": None,
    "created_at": _AT,
}
_TRY: JsonDict = {"status": 503, "seconds": 0.031, "detail": "busy", "created_at": _AT}
_DELIVERY: JsonDict = {
    "id": 12,
    "webhook_id": 1,
    "event_id": 31,
    "kind": "round.ready",
    "data": {"round_id": 3, "number": 2},
    "state": "pending",
    "attempts": 1,
    "due_at": "2026-01-31T09:05:06Z",
    "ended_at": None,
    "created_at": _AT,
    "log": [_TRY],
}

Url = Annotated[str, Field(min_length=8, max_length=2000, description="An http or https address outside this network.")]
Kinds = Annotated[list[EventKind], Field(max_length=50, description="Events it is told of; empty: all of them.")]


class WebhookCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.org/afterloop", "kinds": ["round.ready"]}]},
    )

    url: Url
    kinds: Kinds = []


class WebhookPatch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"paused": True}]})

    url: Url | None = None
    kinds: Kinds | None = None
    paused: bool | None = Field(default=None, description="Paused, it is told nothing; what waited is sent later.")


class WebhookOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_HOOK]})

    project_id: int
    url: str
    kinds: list[str]
    paused_at: datetime | None
    created_at: datetime


class WebhookCreated(WebhookOut):
    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_HOOK | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZI"}]}
    )

    secret: str = Field(description="Signs every delivery. Shown now and never again.")


class AttemptOut(BaseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_TRY]})

    status: int | None = Field(description="What the receiver answered; null when it did not.")
    seconds: float
    detail: str = Field(description="The beginning of its answer, or why there was none.")
    created_at: datetime


class DeliveryOut(Listed):
    model_config = ConfigDict(json_schema_extra={"examples": [_DELIVERY]})

    webhook_id: int
    event_id: int = Field(description="`webhook-id` of every try: the same event is the same id.")
    kind: str
    data: dict[str, Any]
    state: DeliveryState
    attempts: int = Field(description="Tries since it was made or replayed.")
    due_at: datetime = Field(description="When it is tried next, while it is pending.")
    ended_at: datetime | None
    created_at: datetime
    log: list[AttemptOut]

    @classmethod
    def of(cls, delivery: Delivery, event: OutboxEvent, log: list[DeliveryAttempt]) -> "DeliveryOut":
        """A delivery with its event and every try."""
        return cls(
            id=delivery.id,
            webhook_id=delivery.webhook_id,
            event_id=event.id,
            kind=event.kind,
            data=event.payload,
            state=DeliveryState(delivery.state),
            attempts=delivery.attempts,
            due_at=delivery.due_at,
            ended_at=delivery.ended_at,
            created_at=delivery.created_at,
            log=[AttemptOut.model_validate(attempt) for attempt in log],
        )


class Replayed(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"replayed": 3}]})

    replayed: int = Field(description="Deliveries that are sent again.")
