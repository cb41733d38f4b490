"""Our own exports on their way back in: JSON lines and CSV, row by row."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

from app.imports.incoming import (
    Incoming,
    Row,
    Unread,
    clip_name,
    moment,
    number,
    numbers,
    ruling,
    sentence,
    text,
    whole,
)

_NESTED = ("intensities", "dimensions", "shown", "adjudication", "unclear", "withdrawn", "live")
_LONGEST_LINE = 1_000_000


def read_jsonl(file: IO[bytes]) -> Iterator[Row]:
    """The rows of JSON lines."""
    return _rows(_json_lines(file))


def read_csv(file: IO[bytes]) -> Iterator[Row]:
    """The rows of a CSV with a header, in which what is nested is JSON."""
    return _rows(_csv_rows(file))


def _json_lines(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    for place, line in enumerate(_lines(file), start=1):
        where = f"line {place}"
        if line is None:
            yield where, Unread(where, "malformed", f"longer than {_LONGEST_LINE} bytes")
        elif line.strip():
            try:
                yield where, json.loads(line)
            except (ValueError, RecursionError) as error:
                yield where, Unread(where, "malformed", f"no JSON: {error}")


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Lines; None for one that is too long to be ours, whose rest is skipped."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) < _LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass
        yield None


def _csv_rows(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    lines = (line.decode("utf-8-sig" if first else "utf-8", "replace") for first, line in _marked(file))
    try:
        for place, row in enumerate(csv.DictReader(lines), start=1):
            where = f"row {place}"
            try:
                yield where, {name: _cell(name, value) for name, value in row.items() if name is not None and value}
            except ValueError as error:
                yield where, Unread(where, "malformed", str(error))
    except csv.Error as error:
        yield "the table", Unread("the table", "malformed", f"no CSV: {error}")


def _marked(file: IO[bytes]) -> Iterator[tuple[bool, bytes]]:
    first = True
    for line in file:
        yield first, line
        first = False


def _cell(name: str, value: str) -> Any:
    if name not in _NESTED:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(f"{name}: {value[:100]!r} is no JSON") from None


def _rows(rows: Iterable[tuple[str, Any]]) -> Iterator[Row]:
    decided: set[Any] = set()
    for where, row in rows:
        if isinstance(row, Unread):
            yield row
            continue
        try:
            yield our_row(where, row)
            decision = row.get("adjudication")
            if isinstance(decision, dict) and decision.get("adjudication_id") not in decided:
                decided = {decision.get("adjudication_id")}  # it stands beside every answer to its clip
                yield ruling(where, clip_name(row), decision)
        except (ValueError, TypeError, KeyError) as error:
            yield Unread(where, "malformed", sentence(error))


def our_row(where: str, row: Any) -> Incoming:
    """One row of our own exports; ValueError, TypeError or KeyError when it is none."""
    if not isinstance(row, dict):
        raise ValueError("no object with columns")
    return Incoming(
        where=where,
        clip=clip_name(row),
        annotator=text(row, "annotator", must=True) or "",
        label=text(row, "annotation") or text(row, "label"),
        intensities=numbers(row, "intensities"),
        unclear=bool(row.get("unclear")),
        dimensions=numbers(row, "dimensions"),
        skip_reason=text(row, "skip_reason"),
        comment=text(row, "comment"),
        seconds=number(row, "seconds"),
        kind=text(row, "kind") or "answer",
        scheme_version=whole(row, "scheme_version"),
        at=moment(row, "annotated_at"),
        shown=row.get("shown") or None,
        withdrawn=bool(row.get("withdrawn")),
        number=whole(row, "annotation_id"),
        supersedes=whole(row, "supersedes_id"),
    )
