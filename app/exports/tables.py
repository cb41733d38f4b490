"""Rows as Parquet: one flat column a figure, written in row groups. Imports pyarrow, so the web process never does.

What is nested becomes columns: `dimension_arousal`, `intensity_anger`, `share_anger`; a ruling becomes `ruling_…`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.exports.records import Record
from app.exports.source import What

ROWS_A_GROUP = 4096
BYTES_A_GROUP = 32_000_000
_TEXT, _INTEGER, _REAL, _TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")

_CLIP = {
    "clip_id": _INTEGER,
    "external_id": _TEXT,
    "asset_sha256": _TEXT,
    "start_s": _REAL,
    "end_s": _REAL,
    "speaker": _TEXT,
    "split": _TEXT,
}
_RULING = {
    "ruling_decision": _TEXT,
    "ruling_label": _TEXT,
    "ruling_adjudicator": _TEXT,
    "ruling_reason": _TEXT,
    "ruling_scheme_version": _INTEGER,
    "ruling_decided_at": _TIME,
}
_ANNOTATION = {
    "annotation_id": _INTEGER,
    "round": _INTEGER,
    "account_id": _INTEGER,
    "annotator": _TEXT,
    "kind": _TEXT,
    "scheme_version": _INTEGER,
    "annotation": _TEXT,
    "unclear": pa.bool_(),
    "skip_reason": _TEXT,
    "comment": _TEXT,
    "seconds": _REAL,
    "shown_label": _TEXT,
    "supersedes_id": _INTEGER,
    "withdrawn": pa.bool_(),
    "live": pa.bool_(),
    "annotated_at": _TIME,
}
_LABEL = {
    "label": _TEXT,
    "source": _TEXT,
    "n_answers": _INTEGER,
    "annotators": _TEXT,
    "scheme_version": _INTEGER,
    "answered_at": _TIME,
}
_ADJUDICATION = {
    "adjudication_id": _INTEGER,
    "decision": _TEXT,
    "label": _TEXT,
    "scheme_version": _INTEGER,
    "adjudicator": _TEXT,
    "reason": _TEXT,
    "decided_at": _TIME,
}


def columns(what: What, classes: Sequence[str], dimensions: Sequence[str]) -> dict[str, Any]:
    """The table's columns and their Arrow types, in order, for the classes and dimensions of every version."""
    rated = {f"dimension_{name}": _REAL for name in dimensions}
    match what:
        case "annotations":
            intensities = {f"intensity_{name}": _REAL for name in classes}
            return _CLIP | _ANNOTATION | intensities | rated | _RULING
        case "labels":
            return _CLIP | _LABEL | {f"share_{name}": _REAL for name in classes} | rated | _RULING
        case "adjudications":
            return _CLIP | _ADJUDICATION | rated


def flat(row: Record) -> Record:
    """A row with its nested values as columns."""
    ruling = row.get("adjudication") or {}
    plain = {name: value for name, value in row.items() if not isinstance(value, (dict, list))}
    for prefix, nested in (
        ("dimension", row.get("dimensions")),
        ("intensity", row.get("intensities")),
        ("share", row.get("distribution")),
    ):
        plain |= {f"{prefix}_{name}": value for name, value in (nested or {}).items()}
    plain |= {f"ruling_{name}": ruling.get(name) for name in ("decision", "label", "adjudicator", "reason")}
    plain |= {f"ruling_{name}": ruling.get(name) for name in ("scheme_version", "decided_at")}
    if "annotators" in row:
        plain["annotators"] = ", ".join(row["annotators"])
    if row.get("shown"):
        plain["shown_label"] = row["shown"].get("label")
    return plain


def write(
    rows: Iterable[Record], types: Mapping[str, Any], target: IO[bytes], metadata: Mapping[bytes, bytes] | None = None
) -> int:
    """Write flat rows as Parquet, a row group at a time; how many there were."""
    schema = pa.schema(list(types.items()), metadata=dict(metadata or {}))
    n = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_batch(pa.record_batch([_column(group, field) for field in schema], schema=schema))
            n += len(group)
    return n


def _groups(rows: Iterable[Record]) -> Iterator[list[Record]]:
    """Groups of rows, smaller ones where rows carry audio."""
    group: list[Record] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len((row.get("audio") or {}).get("bytes") or b"")
        if len(group) >= ROWS_A_GROUP or size >= BYTES_A_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _column(group: Sequence[Record], field: Any) -> Any:
    values = [row.get(field.name) for row in group]
    if pa.types.is_timestamp(field.type):
        return pa.array(values, _TEXT).cast(field.type)
    return pa.array(values, field.type)
