"""Webhooks: operators say who is told of what, read the log, and send again what did not arrive."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep
from app.errors import problems
from app.models import Delivery, DeliveryState, OutboxEvent
from app.paging import After, Limit, Page
from app.webhooks import service
from app.webhooks.addresses import resolve
from app.webhooks.schemas import DeliveryOut, Replayed, WebhookCreate, WebhookCreated, WebhookOut, WebhookPatch

router = APIRouter(tags=["webhooks"], responses=problems(401, 403, 404, 422))


@router.post("/projects/{project_id}/webhooks", status_code=201, summary="Tell another program")
def create_webhook(
    project_id: RowId, body: WebhookCreate, db: DbDep, settings: SettingsDep, caller: Operator
) -> WebhookCreated:
    """Have events of this project POSTed to an address, signed with a secret that is shown this once.

    What is sent follows the Standard Webhooks convention (`webhook-id`, `webhook-timestamp`, `webhook-signature`). It
    comes at least once: an event that comes again has the same id. Any answer but 2xx is tried again, later and later.
    422 `address_refused` for an address inside this network.
    """
    resolve(body.url, settings.webhook_allow_private)
    with db.write() as session:
        return WebhookCreated.model_validate(
            service.create_webhook(session, project_id, body.url, body.kinds, now=utcnow())
        )


@router.get("/projects/{project_id}/webhooks", summary="List webhooks")
def list_webhooks(
    project_id: RowId, db: DbDep, caller: Operator, after: After = 0, limit: Limit = 100
) -> Page[WebhookOut]:
    """A project's webhooks, without their secrets."""
    with db.read() as session:
        hooks = service.list_webhooks(session, project_id, after, limit + 1)
        return Page.cut([WebhookOut.model_validate(hook) for hook in hooks], limit)


@router.patch("/webhooks/{webhook_id}", summary="Change or pause a webhook")
def change_webhook(
    webhook_id: RowId, body: WebhookPatch, db: DbDep, settings: SettingsDep, caller: Operator
) -> WebhookOut:
    """Another address, other events, or a pause. What happens during a pause is not sent later."""
    if body.url is not None:
        resolve(body.url, settings.webhook_allow_private)
    with db.write() as session:
        changed = service.change_webhook(
            session, webhook_id, url=body.url, kinds=body.kinds, paused=body.paused, now=utcnow()
        )
        return WebhookOut.model_validate(changed)


@router.post("/webhooks/{webhook_id}/secret", summary="Replace a webhook's secret")
def replace_secret(webhook_id: RowId, db: DbDep, caller: Operator) -> WebhookCreated:
    """A new secret, shown this once; the next delivery is signed with it."""
    with db.write() as session:
        return WebhookCreated.model_validate(service.new_secret_of(session, webhook_id))


@router.post("/webhooks/{webhook_id}/ping", status_code=202, summary="Try a webhook")
def ping(webhook_id: RowId, db: DbDep, caller: Operator) -> WebhookOut:
    """Send a `ping` event to it; the log tells what came back."""
    with db.write() as session:
        service.ping(session, webhook_id, now=utcnow())
        return WebhookOut.model_validate(service.get_webhook(session, webhook_id))


@router.delete("/webhooks/{webhook_id}", status_code=204, summary="Remove a webhook")
def delete_webhook(webhook_id: RowId, db: DbDep, caller: Operator) -> None:
    """End it, with its deliveries and their log."""
    with db.write() as session:
        service.delete_webhook(session, webhook_id)


@router.get("/webhooks/{webhook_id}/deliveries", summary="Read the delivery log")
def list_deliveries(
    webhook_id: RowId,
    db: DbDep,
    caller: Operator,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> Page[DeliveryOut]:
    """Every delivery of a webhook, with its event and every try."""
    with db.read() as session:
        found = service.list_deliveries(session, webhook_id, state, after, limit + 1)
        return Page.cut(_with_logs(session, found), limit)


@router.post("/webhooks/{webhook_id}/replay", status_code=202, summary="Send again what was given up")
def replay_given_up(webhook_id: RowId, db: DbDep, caller: Operator) -> Replayed:
    """Try every delivery again that failed for the last time, once the receiver is mended."""
    with db.write() as session:
        return Replayed(replayed=service.replay_given_up(session, webhook_id, now=utcnow()))


@router.post("/deliveries/{delivery_id}/replay", status_code=202, summary="Send a delivery again")
def replay(delivery_id: RowId, db: DbDep, caller: Operator) -> DeliveryOut:
    """Send one event again, delivered or not, under the same id."""
    with db.write() as session:
        return _with_logs(session, [service.replay(session, delivery_id, now=utcnow())])[0]


def _with_logs(session: Session, found: list[tuple[Delivery, OutboxEvent]]) -> list[DeliveryOut]:
    logs = service.attempts(session, [delivery.id for delivery, _ in found])
    return [DeliveryOut.of(delivery, event, logs[delivery.id]) for delivery, event in found]
