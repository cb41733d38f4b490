"""CSV tables of clips, read row by row so that one bad row costs one clip."""

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from al_core.corpora.corpus import ClipError, CorpusError, number


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line of the file it begins on, and its stripped cells by column, empty ones left out.

    `problem` says why the row could not be read; its cells are then empty.
    """

    line: int
    cells: dict[str, str]
    problem: ClipError | None = None

    def number(self, column: str) -> float | None:
        """A finite number, or None where the cell is empty; ClipError `malformed` otherwise."""
        text = self.cells.get(column)
        return None if text is None else number(column, text)


def read_header(path: Path) -> tuple[str, ...]:
    """The column names of a table, stripped.

    Raises:
        CorpusError: the file cannot be read as UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return tuple(name.strip() for name in next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path.name} cannot be read as a table ({error}): save it as CSV in UTF-8") from error


def read_rows(path: Path, required: Collection[str]) -> Iterator[Row]:
    """Rows of a UTF-8 CSV (a byte-order mark and any line ending are fine); a malformed one says so.

    Raises:
        CorpusError: no header, a column missing or named twice, or bytes that are not UTF-8.
    """
    header = read_header(path)
    missing = [name for name in required if name not in header]
    if missing:
        raise CorpusError(f"{path.name} lacks the column(s) {', '.join(missing)}: add them, their cells may be empty")
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        raise CorpusError(f"{path.name} names the column(s) {', '.join(sorted(twice))} twice: keep one")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rows(file, header)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path.name} is not UTF-8 ({error}): save it as CSV in UTF-8") from error


def _rows(file: Iterable[str], header: tuple[str, ...]) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    next(reader)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # often a quote left open, which swallows the lines that follow
            read = f"line {line}" if reader.line_num <= line else f"lines {line} to {reader.line_num}"
            yield Row(line, {}, ClipError("malformed", f"{error}; {read} not read: check the quotes"))
            continue
        surplus = values[len(header) :]
        if not any(value.strip() for value in values):
            continue
        if len(values) < len(header) or any(value.strip() for value in surplus):
            problem = f"{len(values)} cells for {len(header)} columns: quote cells that hold commas"
            yield Row(line, {}, ClipError("malformed", problem))
            continue
        yield Row(line, {name: value.strip() for name, value in zip(header, values, strict=False) if value.strip()})
