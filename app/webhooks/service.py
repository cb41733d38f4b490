"""What can be done with webhooks and their deliveries. The functions flush and never commit."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.models import Delivery, DeliveryAttempt, DeliveryState, OutboxEvent, Webhook
from app.projects.service import get_project
from app.webhooks import deliveries
from app.webhooks.outbox import EventKind, emit
from app.webhooks.signing import new_secret


def create_webhook(
    session: Session, project_id: int, url: str, kinds: Sequence[EventKind], *, now: datetime
) -> Webhook:
    """A new webhook of a project; its address must have been checked. NotFoundError when there is no such project."""
    get_project(session, project_id)
    made = Webhook(project_id=project_id, url=url, kinds=list(kinds), secret=new_secret(), created_at=now)
    session.add(made)
    session.flush()
    return made


def get_webhook(session: Session, webhook_id: int) -> Webhook:
    """The webhook; NotFoundError when there is none."""
    found = session.get(Webhook, webhook_id)
    if found is None:
        raise NotFoundError(f"there is no webhook {webhook_id}")
    return found


def list_webhooks(session: Session, project_id: int, after: int, limit: int) -> list[Webhook]:
    """The project's webhooks in order of id; NotFoundError when there is no such project."""
    get_project(session, project_id)
    wanted = select(Webhook).where(Webhook.project_id == project_id, Webhook.id > after).order_by(Webhook.id)
    return list(session.scalars(wanted.limit(limit)))


def change_webhook(
    session: Session,
    webhook_id: int,
    *,
    now: datetime,
    url: str | None = None,
    kinds: Sequence[EventKind] | None = None,
    paused: bool | None = None,
) -> Webhook:
    """Set what is given. A pause keeps what waits; events of the pause are not sent later."""
    hook = get_webhook(session, webhook_id)
    hook.url = hook.url if url is None else url
    hook.kinds = hook.kinds if kinds is None else list(kinds)
    if paused is not None and paused != (hook.paused_at is not None):
        hook.paused_at = now if paused else None
    session.flush()
    return hook


def new_secret_of(session: Session, webhook_id: int) -> Webhook:
    """Replace the secret: from the next try on, everything is signed with the new one."""
    hook = get_webhook(session, webhook_id)
    hook.secret = new_secret()
    session.flush()
    return hook


def delete_webhook(session: Session, webhook_id: int) -> None:
    """Remove the webhook with its deliveries and their log."""
    get_webhook(session, webhook_id)
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def ping(session: Session, webhook_id: int, *, now: datetime) -> None:
    """Send a `ping` to this webhook, whatever events it wants."""
    hook = get_webhook(session, webhook_id)
    emit(session, hook.project_id, "ping", {"webhook_id": hook.id}, now=now)


def list_deliveries(
    session: Session, webhook_id: int, state: DeliveryState | None, after: int, limit: int
) -> list[tuple[Delivery, OutboxEvent]]:
    """The webhook's deliveries in order of id, each with its event."""
    get_webhook(session, webhook_id)
    wanted = (
        select(Delivery, OutboxEvent)
        .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
        .where(Delivery.webhook_id == webhook_id, Delivery.id > after)
        .order_by(Delivery.id)
        .limit(limit)
    )
    if state is not None:
        wanted = wanted.where(Delivery.state == state)
    return [(delivery, event) for delivery, event in session.execute(wanted)]


def attempts(session: Session, delivery_ids: Sequence[int]) -> dict[int, list[DeliveryAttempt]]:
    """Every try of these deliveries, in order."""
    wanted = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(delivery_ids)).order_by(DeliveryAttempt.id)
    found: dict[int, list[DeliveryAttempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    for attempt in session.scalars(wanted):
        found[attempt.delivery_id].append(attempt)
    return found


def replay(session: Session, delivery_id: int, *, now: datetime) -> tuple[Delivery, OutboxEvent]:
    """Send one delivery again; NotFoundError when there is none."""
    if not deliveries.replay(session, [delivery_id], now=now):
        raise NotFoundError(f"there is no delivery {delivery_id}")
    delivery = session.get_one(Delivery, delivery_id, populate_existing=True)
    return delivery, session.get_one(OutboxEvent, delivery.event_id)


def replay_given_up(session: Session, webhook_id: int, *, now: datetime) -> int:
    """Send everything again that was given up for this webhook; how many."""
    get_webhook(session, webhook_id)
    wanted = select(Delivery.id).where(Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.GIVEN_UP)
    return deliveries.replay(session, session.scalars(wanted).all(), now=now)
