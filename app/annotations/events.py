"""Appending to what annotators said: answers, skips, revisions, withdrawals. Nothing here edits or deletes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.annotations import statements
from app.annotations.answers import Answer
from app.annotations.schemas import AnnotationOut
from app.annotations.statements import run
from app.errors import ConflictError


@dataclass(frozen=True, slots=True)
class Stored:
    """The annotation as first stored; `repeated` when this request only asked again.

    `ending` is the project and round that this answer may have been the last of: look once more after the commit.
    """

    annotation: AnnotationOut
    repeated: bool
    ending: tuple[int, int] | None = None


def event(
    given: Answer, asked: Any, account_id: int, key: str, *, scheme_version: int, now: datetime, **more: Any
) -> dict[str, Any]:
    """The columns of one event.

    Args:
        given: what was said.
        asked: the assignment, as `statements.ASKED` reads it.
        account_id: who says it.
        key: the client's idempotency key.
        scheme_version: the version it is said under.
        now: when.
        more: effect, correct, supersedes_id, withdrawn.
    """
    said = given.content()
    return {
        "project_id": asked.project_id,
        "clip_id": asked.clip_id,
        "assignment_id": given.lease.assignment,
        "account_id": account_id,
        "fence": given.lease.fence,
        "kind": asked.kind,
        "scheme_version": scheme_version,
        "effect": None,
        "shown": asked.shown,
        "correct": None,
        "supersedes_id": None,
        "withdrawn": False,
        "idempotency_key": key,
        "created_at": now,
        **said,
        **more,
    }


def append(session: Session, row: dict[str, Any]) -> AnnotationOut:
    """Store an event."""
    annotation_id = run(session, statements.APPEND, **as_parameters(row)).scalar_one()
    return told(annotation_id, row)


def as_parameters(row: dict[str, Any]) -> dict[str, Any]:
    """The event's columns under the names of the statements' parameters."""
    return {f"new_{name}": value for name, value in row.items()}


def told(annotation_id: int, row: dict[str, Any]) -> AnnotationOut:
    """What its author is told of an event."""
    return AnnotationOut.model_validate({"id": annotation_id} | {name: row[name] for name in _TOLD})


_TOLD = tuple(name for name in AnnotationOut.model_fields if name != "id")


def first_answer(session: Session, given: Answer, account_id: int, key: str) -> Stored | None:
    """What this key stored before; ConflictError when it was another answer."""
    stored = run(session, statements.BY_KEY, me=account_id, key=key).first()
    if stored is None:
        return None
    before = stored._mapping
    same = (given.lease.assignment, given.lease.fence) == (stored.assignment_id, stored.fence)
    said = given.content()
    said["dimensions"] = said["dimensions"] or None
    if said["label"] is None and said["intensities"] is not None:
        said["label"] = stored.label  # derived from the intensities when it was stored
    if not same or any(before[name] != value for name, value in said.items()):
        raise ConflictError(f"Idempotency-Key {key!r} was used for another answer: send a new key with a new answer")
    return Stored(AnnotationOut.model_validate(stored, from_attributes=True), repeated=True)
