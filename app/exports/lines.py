"""Rows as text: JSON lines, or CSV in which what is nested is JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from app.exports.records import Record


def jsonl(rows: Iterable[Record]) -> Iterator[str]:
    """One JSON object a line."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def csv_lines(rows: Iterable[Record], columns: Sequence[str]) -> Iterator[str]:
    """A header, then one line a row; dicts and booleans are written as JSON writes them."""
    line = io.StringIO()
    writer = csv.DictWriter(line, columns)
    writer.writeheader()
    for row in rows:
        plain = {name: json.dumps(value, ensure_ascii=False) for name, value in row.items() if _nested(value)}
        writer.writerow(row | plain)
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _nested(value: object) -> bool:
    return isinstance(value, (dict, list, bool))
