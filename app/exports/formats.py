"""One name a format, and what writes it. Those of Arrow are imported when they are asked for: they cost 50 MB."""

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Literal, assert_never

from app.exports import records, verdicts
from app.exports.lines import csv_lines, jsonl
from app.exports.records import Record, clips
from app.exports.source import Source, What
from app.label_studio import tasks

Plain = Literal["jsonl", "csv", "label_studio"]
Format = Literal["jsonl", "csv", "label_studio", "parquet", "audformat", "datasets"]

WHOLE: tuple[Format, ...] = ("label_studio", "audformat", "datasets")  # hold everything, whatever is asked for
WITH_AUDIO: tuple[Format, ...] = ("audformat", "datasets")
MEDIA_TYPES: dict[Format, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "label_studio": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "audformat": "application/zip",
    "datasets": "application/zip",
}
EXTENSIONS: dict[Format, str] = {
    "jsonl": "jsonl",
    "csv": "csv",
    "label_studio": "json",
    "parquet": "parquet",
    "audformat": "audformat.zip",
    "datasets": "datasets.zip",
}
COLUMNS: dict[What, tuple[str, ...]] = {
    "annotations": (*records.CLIP, *records.ANNOTATION),
    "labels": (*records.CLIP, *verdicts.LABEL),
    "adjudications": (*records.CLIP, *records.ADJUDICATION),
}


def lines(source: Source, what: What, format: Plain) -> Iterator[str]:
    """The parts of a text format, one by one."""
    match format:
        case "jsonl":
            return jsonl(source.rows(what))
        case "csv":
            return csv_lines(source.rows(what), COLUMNS[what])
        case "label_studio":
            found = clips(source.read, source.project_id)
            return tasks.as_json(tasks.task(one, source.url(one.clip.id)) for one in found)
        case _:
            assert_never(format)


def write(source: Source, what: What, format: Format, target: IO[bytes]) -> int:
    """Write an export; how many rows, or tasks, it has."""
    match format:
        case "jsonl":
            return _text(target, source.rows(what), jsonl)
        case "csv":
            return _text(target, source.rows(what), lambda rows: csv_lines(rows, COLUMNS[what]))
        case "label_studio":
            found = clips(source.read, source.project_id)
            return _text(target, (tasks.task(one, source.url(one.clip.id)) for one in found), tasks.as_json)
        case "parquet":
            from app.exports import tables

            types = tables.columns(what, source.classes, source.dimensions)
            return tables.write(map(tables.flat, source.rows(what)), types, target)
        case "audformat":
            from app.exports import audformat

            return audformat.write(source, target)
        case "datasets":
            from app.exports import hugging_face

            return hugging_face.write(source, target)
        case _:
            assert_never(format)


def _text(target: IO[bytes], rows: Iterable[Record], as_text: Callable[[Iterator[Record]], Iterator[str]]) -> int:
    n = 0

    def counted() -> Iterator[Record]:
        nonlocal n
        for row in rows:
            n += 1
            yield row

    for part in as_text(counted()):
        target.write(part.encode())
    return n
