"""The outbox: what happened, written in the transaction that made it happen. Nobody else writes it.

`emit` costs the annotators' hot path one cheap statement, and stores nothing in a project that has nobody to tell.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast, get_args

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from app.db import utcnow
from app.models import OutboxEvent

EventKind = Literal[
    "annotation.created",
    "annotation.skipped",
    "annotation.revised",
    "annotation.withdrawn",
    "adjudication.created",
    "label.created",
    "round.ready",
    "round.closed",
    "round.finished",
    "round.failed",
    "round.cancelled",
    "ping",
]
KINDS: tuple[EventKind, ...] = get_args(EventKind)
_INSERT = insert(cast(Table, OutboxEvent.__table__))

# As the driver takes it: what SQLAlchemy adds to a statement would cost an annotator's answer more than this one does.
_LISTENER = (
    "SELECT 1 FROM webhooks WHERE project_id = {0} AND paused_at IS NULL"
    " UNION ALL SELECT 1 FROM label_studio_links WHERE project_id = {0} AND follow LIMIT 1"
)
_LISTENERS = {"sqlite": _LISTENER.format("?"), "postgresql": _LISTENER.format("%s")}


def emit(
    session: Session, project_id: int, kind: EventKind, payload: Mapping[str, Any], *, now: datetime | None = None
) -> None:
    """Tell whoever wants to know, once the caller's transaction commits; nothing when nobody does.

    The payload is plain JSON: ids, names, numbers. It travels as `data` of the event.
    """
    connection = session.connection()
    listener = _LISTENERS[connection.dialect.name]
    if connection.exec_driver_sql(listener, (project_id, project_id)).first() is None:
        return
    row = {"project_id": project_id, "kind": kind, "payload": dict(payload), "fanned_out": False}
    connection.execute(_INSERT, row | {"created_at": now or utcnow()})


def emit_annotation(session: Session, annotation_id: int, row: Mapping[str, Any]) -> None:
    """Tell of one event of an annotator, as it was stored: answered, skipped, revised or taken back."""
    kind: EventKind = "annotation.created"
    if row["withdrawn"]:
        kind = "annotation.withdrawn"
    elif row["skip_reason"] is not None:
        kind = "annotation.skipped"
    elif row["supersedes_id"] is not None:
        kind = "annotation.revised"
    emit(session, row["project_id"], kind, {"annotation_id": annotation_id} | {name: row.get(name) for name in _TOLD})


_TOLD = (
    *(
        "clip_id",
        "account_id",
        "kind",
        "scheme_version",
        "label",
        "intensities",
        "unclear",
        "dimensions",
        "skip_reason",
    ),
)
