"""One answer that Label Studio told us of, as an answer here; and what its annotators saw."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from app.db import Database
from app.imports.annotations import Report, commit
from app.imports.incoming import Incoming, Row
from app.imports.people import People
from app.imports.theirs import task_rows
from app.models import LabelStudioLink, LabelStudioTask


def take(
    database: Database, link: LabelStudioLink, task: Mapping[str, Any], annotation: Mapping[str, Any]
) -> Report | None:
    """Take one answer that Label Studio told us of; None when only a pull can tell who gave it."""
    names = {int(number): name for number, name in link.people.items()}
    if annotation.get("completed_by") not in names:
        return None
    rows = list(task_rows("webhook", dict(task) | {"annotations": [annotation]}, names))
    return commit(database, link.project_id, with_guesses(database, link.id, rows), People({}, make=True), Report())


def with_guesses(database: Database, link_id: int, rows: Sequence[Row]) -> list[Row]:
    """The rows with the guess that went with their task: what their annotators saw."""
    clips = {row.clip.clip_id for row in rows if isinstance(row, Incoming)}
    with database.read() as session:
        shown: dict[int | None, Any] = dict(
            session.execute(
                select(LabelStudioTask.clip_id, LabelStudioTask.shown).where(
                    LabelStudioTask.link_id == link_id, LabelStudioTask.clip_id.in_(clips)
                )
            ).all()
        )
    return [
        replace(row, shown=shown.get(row.clip.clip_id)) if isinstance(row, Incoming) and row.shown is None else row
        for row in rows
    ]
