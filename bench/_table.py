"""What every bench prints and writes: a table of rows, each a figure beside its yardstick's, and the same as JSON.

    from _table import Row, finish, parser

    rows = [Row("hubert-base", value=16.2, unit="× real time", yardstick=7.1, target=2.0)]
    finish("embed", rows, arguments.json)

`ratio` is value ÷ yardstick, or yardstick ÷ value where less is better, so that more is always better; a target is a
ratio where there is a yardstick, and a bound on the value itself where there is none. The leading underscore keeps the
file out of what `make bench` runs; a script finds it beside itself.
"""

import argparse
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSIONS_OF = ("torch", "transformers", "scikit-learn", "numpy")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        case: what was measured.
        value, unit: ours.
        yardstick: the peer's figure in the same unit, from the same run; None where the target is absolute.
        target: ratio to reach, or without a yardstick a bound on the value; None where the row only informs.
        less_is_better: of the value.
    """

    case: str
    value: float
    unit: str
    yardstick: float | None = None
    target: float | None = None
    less_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better than the yardstick; None without one, or where one of the two is 0."""
        if self.yardstick is None or not self.value or not self.yardstick:
            return None
        return self.yardstick / self.value if self.less_is_better else self.value / self.yardstick

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        if self.yardstick is not None:
            return self.ratio is not None and self.ratio >= self.target
        return self.value <= self.target if self.less_is_better else self.value >= self.target


def parser(question: str) -> argparse.ArgumentParser:
    """The command line every bench has; a bench adds its own options to it."""
    made = argparse.ArgumentParser(description=question)
    made.add_argument("--short", action="store_true", help="a smaller run of the same measurement")
    made.add_argument("--json", type=Path, metavar="PATH", help="also write the rows there")
    return made


def finish(bench: str, rows: Sequence[Row], json_path: Path | None = None) -> None:
    """Print the table, missed targets as missed, and write the JSON where a path is given."""
    print(_table(rows))
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(as_json(bench, rows), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def as_json(bench: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The rows with their ratios and verdicts, the machine and the versions, as plain values."""
    plain = [
        {
            "case": row.case,
            "value": row.value,
            "unit": row.unit,
            "yardstick": row.yardstick,
            "ratio": row.ratio,
            "target": row.target,
            "met": row.met,
        }
        for row in rows
    ]
    return {"bench": bench, "rows": plain, "machine": machine(), "versions": versions()}


def machine() -> dict[str, str | int]:
    """Where the figures come from: processor, cores this process may use, system."""
    return {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}


def versions() -> dict[str, str]:
    """Python and the packages that decide the figures, without importing them."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in VERSIONS_OF}


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _table(rows: Sequence[Row]) -> str:
    heads = ("case", "value", "unit", "yardstick", "ratio", "target", "")
    cells = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    bound = "≤ " if row.less_is_better and row.yardstick is None else "≥ "
    target = "" if row.target is None else bound + _number(row.target)
    return (row.case, _number(row.value), row.unit, _number(row.yardstick), _number(row.ratio), target, verdict)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
