"""A project as an audformat database: a header and CSV tables in a ZIP, written row by row.

`clips` and `labels` are segmented tables, one row a clip and one a labelled clip. Several people answer one segment, so
answers and decisions stand in misc tables, one row each. The package `audformat` writes a database from tables it holds
in memory; here the files are written by hand, and the tests open them with it.
Format: https://audeering.github.io/audformat/ (the header is YAML, of which JSON is a part).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from app.exports.archive import Archive
from app.exports.lines import csv_lines
from app.exports.records import ClipRecords, Record, clips
from app.exports.source import Source
from app.exports.verdicts import labelled

SEGMENT = ("file", "start", "end")
_INT, _FLOAT, _BOOL, _DATE, _TEXT = ({"dtype": name} for name in ("int", "float", "bool", "date", "str"))
_SCHEMES: dict[str, Mapping[str, Any]] = {
    "count": _INT,
    "number": _FLOAT,
    "flag": _BOOL,
    "moment": _DATE,
    "text": _TEXT,
    "intensity": _FLOAT | {"minimum": 0, "maximum": 1},
}
_CLIP = {"clip_id": "count", "external_id": "text", "speaker": "text", "session": "text", "gender": "text"}
_CLIP |= {"text": "text", "split": "text"}
_LABEL = {"clip_id": "count", "source": "text", "n_answers": "count", "annotators": "text", "scheme_version": "count"}
_LABEL |= {"answered_at": "moment", "adjudicator": "annotator", "ruling_reason": "text"}
_ANNOTATION = {"clip_id": "count", "annotator": "annotator", "round": "count", "kind": "text"}
_ANNOTATION |= {"scheme_version": "count", "unclear": "flag", "skip_reason": "text", "comment": "text"}
_ANNOTATION |= {"seconds": "number", "supersedes_id": "count", "withdrawn": "flag", "live": "flag"}
_ANNOTATION |= {"annotated_at": "moment"}
_ADJUDICATION = {"clip_id": "count", "decision": "text", "scheme_version": "count", "adjudicator": "annotator"}
_ADJUDICATION |= {"reason": "text", "decided_at": "moment"}


@dataclass(frozen=True, slots=True)
class _Table:
    """A table: its level (empty for a segmented one), its columns with their schemes, and its rows."""

    name: str
    level: str
    description: str
    columns: Mapping[str, str]
    rows: Callable[[Source], Iterator[Record]]


def write(source: Source, target: IO[bytes]) -> int:
    """Write the database; how many rows its tables have."""
    tables = _tables(source)
    n = 0

    def counted(rows: Iterable[Record]) -> Iterator[Record]:
        nonlocal n
        for row in rows:
            n += 1
            yield row

    with Archive(target) as archive:
        archive.text("db.yaml", [json.dumps(_header(source, tables), ensure_ascii=False, indent=1), "\n"])
        for table in tables:
            columns = ([table.level] if table.level else []) + [*SEGMENT, *table.columns]
            archive.text(f"db.{table.name}.csv", csv_lines(_known(counted(table.rows(source)), columns), columns))
        if source.storage is not None:
            _audio(source, archive)
    return n


def _known(rows: Iterable[Record], columns: Sequence[str]) -> Iterator[Record]:
    return ({name: row.get(name) for name in columns} for row in rows)


def _tables(source: Source) -> list[_Table]:
    emotion = {"emotion": "emotion"} if source.classes else {}
    dimensions = {name: name for name in source.dimensions}
    intensities = {f"intensity_{name}": "intensity" for name in source.classes}
    said = emotion | dimensions
    return [
        _Table("clips", "", "Every clip.", _CLIP, _clip_rows),
        _Table("labels", "", "What each labelled clip is held to be.", said | _LABEL, _label_rows),
        _Table(
            "annotations",
            "annotation_id",
            "Every answer, skip, revision and withdrawal.",
            said | intensities | _ANNOTATION,
            _annotation_rows,
        ),
        _Table("adjudications", "adjudication_id", "Every decision.", said | _ADJUDICATION, _adjudication_rows),
    ]


def _header(source: Source, tables: Sequence[_Table]) -> Record:
    steps = [source.known.scheme, *(step.scheme for step in source.known.steps)]
    ranges = {one.name: (one.low, one.high) for scheme in reversed(steps) for one in scheme.dimensions}
    schemes = dict(_SCHEMES)
    if source.classes:
        schemes["emotion"] = _TEXT | {"labels": list(source.classes)}
    schemes |= {name: _FLOAT | {"minimum": low, "maximum": high} for name, (low, high) in ranges.items()}
    people = source.people()
    schemes["annotator"] = _TEXT | {"labels": people or ["nobody"]}
    described = {"name": source.name, "source": "afterloop", "usage": "unrestricted", "languages": []}
    return described | {
        "description": f"Speech with the emotion people heard in it; version {source.known.version} of the scheme.",
        "media": {"audio": {"type": "audio"}},
        "raters": {name: {"type": "human"} for name in people},
        "schemes": schemes,
        "tables": {
            table.name: {"type": "segmented", "description": table.description, "media_id": "audio"} | _columns(table)
            for table in tables
            if not table.level
        },
        "misc_tables": {
            table.name: {"levels": {table.level: "int"}, "description": table.description} | _columns(table)
            for table in tables
            if table.level
        },
    }


def _columns(table: _Table) -> Record:
    named = [*SEGMENT, *table.columns] if table.level else [*table.columns]
    schemes = dict.fromkeys(SEGMENT, "text") | dict(table.columns)
    return {"columns": {name: {"scheme_id": schemes[name]} for name in named}}


def _clip_rows(source: Source) -> Iterator[Record]:
    for found in clips(source.read, source.project_id):
        about = {name: getattr(found.clip, name, None) for name in _CLIP}
        yield _segment(found) | about | {"clip_id": found.clip.id}


def _label_rows(source: Source) -> Iterator[Record]:
    for found, label in labelled(source.read, source.project_id):
        ruling = label["adjudication"] or {}
        more = {"adjudicator": ruling.get("adjudicator"), "ruling_reason": ruling.get("reason")}
        more |= {"clip_id": found.clip.id, "emotion": label["label"], "annotators": ", ".join(label["annotators"])}
        more |= {"answered_at": _at(label["answered_at"])}
        yield _segment(found) | (label["dimensions"] or {}) | label | more


def _annotation_rows(source: Source) -> Iterator[Record]:
    for found in clips(source.read, source.project_id):
        for row in found.annotations:
            intensities = {f"intensity_{name}": value for name, value in (row["intensities"] or {}).items()}
            said = row | (row["dimensions"] or {}) | intensities | {"emotion": row["annotation"]}
            yield _segment(found) | said | {"clip_id": found.clip.id, "annotated_at": _at(row["annotated_at"])}


def _adjudication_rows(source: Source) -> Iterator[Record]:
    for found in clips(source.read, source.project_id):
        for row in found.adjudications:
            said = row | (row["dimensions"] or {}) | {"emotion": row["label"], "clip_id": found.clip.id}
            yield _segment(found) | said | {"decided_at": _at(row["decided_at"])}


def _segment(found: ClipRecords) -> Record:
    return {"file": found.file, "start": _timedelta(found.clip.start_s), "end": _timedelta(found.clip.end_s)}


def _timedelta(seconds: float) -> str:
    """A time as pandas writes it."""
    micros = round(seconds * 1e6)
    minutes, rest = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24} days {hours % 24:02}:{minutes:02}:{rest // 1_000_000:02}.{rest % 1_000_000:06}"


def _at(moment: str | None) -> str | None:
    """A moment in UTC without its zone: audformat's dates have none."""
    return None if moment is None else moment.removesuffix("+00:00").replace("T", " ")


def _audio(source: Source, archive: Archive) -> None:
    """Every asset once; clips of one recording share it. Their ids, not their audio, are what is remembered."""
    assert source.storage is not None
    written: set[str] = set()
    for found in clips(source.read, source.project_id):
        if found.clip.asset_sha256 not in written:
            written.add(found.clip.asset_sha256)
            archive.file(found.file, source.storage.path(found.clip.asset_sha256))
