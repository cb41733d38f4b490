"""What people answered and what it adds up to, as JSON lines or CSV, streamed in short reads.

An annotation is one annotator's answer, or the reason of a skip; a label is what a clip's answers agree on, or what
came with the import. A disputed clip has a distribution and no label.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.agreement import aggregate
from al_core.scheme import Scheme
from app.db import Database
from app.models import Account, Annotation, Clip, Round
from app.models import Assignment as Assigned
from app.projects.service import get_project
from app.specs import read_scheme

What = Literal["annotations", "labels"]
Format = Literal["jsonl", "csv"]
CLIPS_A_READ = 500
MEDIA_TYPES: dict[Format, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}

_CLIP = ("clip_id", "external_id", "asset_sha256", "start_s", "end_s", "speaker", "split")
_COLUMNS: dict[What, tuple[str, ...]] = {
    "annotations": (*_CLIP, "round", "annotator", "annotation", "skip_reason", "comment", "seconds", "annotated_at"),
    "labels": (*_CLIP, "label", "source", "n_answers", "distribution"),
}


def export(database: Database, project_id: int, what: What = "annotations", format: Format = "jsonl") -> Iterator[str]:
    """The lines of an export, in order of clip; NotFoundError when there is no such project."""
    with database.read() as session:
        scheme = read_scheme(get_project(session, project_id).scheme)
    return _lines(_rows(database, project_id, what, scheme), what, format)


def _rows(database: Database, project_id: int, what: What, scheme: Scheme) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        with database.read() as session:
            page = select(Clip).where(Clip.project_id == project_id, Clip.id > after).order_by(Clip.id)
            clips = session.scalars(page.limit(CLIPS_A_READ)).all()
            answered = _answered(session, [clip.id for clip in clips])
        for clip in clips:
            given = answered.get(clip.id, [])
            if what == "labels":
                yield from _label(clip, given, scheme)
            else:
                yield from (_about(clip) | annotation for annotation in given)
        if len(clips) < CLIPS_A_READ:
            return
        after = clips[-1].id


def _answered(session: Session, clip_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    rows = session.execute(
        select(Annotation, Account.name, Round.number)
        .join(Account, Account.id == Annotation.account_id)
        .join(Assigned, Assigned.id == Annotation.assignment_id)
        .join(Round, Round.id == Assigned.round_id)
        .where(Annotation.clip_id.in_(clip_ids))
        .order_by(Annotation.id)
    )
    by_clip: dict[int, list[dict[str, Any]]] = {}
    for annotation, annotator, number in rows:
        row = {
            "round": number,
            "annotator": annotator,
            "annotation": annotation.label,
            "skip_reason": annotation.skip_reason,
            "comment": annotation.comment,
            "seconds": annotation.seconds,
            "annotated_at": annotation.created_at.isoformat(),
        }
        by_clip.setdefault(annotation.clip_id, []).append(row)
    return by_clip


def _about(clip: Clip) -> dict[str, Any]:
    return {"clip_id": clip.id} | {name: getattr(clip, name) for name in _CLIP[1:]}


def _label(clip: Clip, given: Sequence[dict[str, Any]], scheme: Scheme) -> Iterator[dict[str, Any]]:
    answers = [row["annotation"] for row in given if row["annotation"] is not None]
    if not answers and clip.reference_label is None:
        return
    verdict = aggregate(answers or [clip.reference_label or ""], scheme)
    shares = {name: round(float(share), 6) for name, share in zip(scheme.classes, verdict.distribution, strict=True)}
    yield _about(clip) | {
        "label": verdict.label,
        "source": "annotations" if answers else "import",
        "n_answers": len(answers),
        "distribution": shares,
    }


def _lines(rows: Iterator[dict[str, Any]], what: What, format: Format) -> Iterator[str]:
    if format == "jsonl":
        yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    line = io.StringIO()
    writer = csv.DictWriter(line, _COLUMNS[what])
    writer.writeheader()
    for row in rows:
        nested = {name: json.dumps(value) for name, value in row.items() if isinstance(value, dict)}
        writer.writerow(row | nested)
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()
