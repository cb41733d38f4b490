"""What a TAPT job tells of itself while it runs: the report's own figures, its pace, and the time that is left."""

from dataclasses import fields
from typing import Any

from tapt.report import TaptReport

_TOLD_APART = ("stage", "folder")


def progress_of(report: TaptReport, first: TaptReport | None) -> dict[str, Any]:
    """A report as a job's progress: every number it has, and from the second step on pace and time left.

    `hours_per_hour` is audio trained on per time spent; `left_s` the seconds to the last step at this pace.

    Args:
        report: of `pretrain`.
        first: the first step this attempt reported: what earlier attempts took says nothing about this machine.
    """
    told = {field.name: getattr(report, field.name) for field in fields(report) if field.name not in _TOLD_APART}
    plain = {name: round(value, 6) if isinstance(value, float) else value for name, value in told.items()}
    if first is None or report.stage != "train" or report.step <= first.step:
        return plain
    spent = report.seconds - first.seconds
    if spent <= 0:
        return plain
    return plain | {
        "hours_per_hour": round((report.seconds_audio - first.seconds_audio) / spent, 2),
        "left_s": round((report.steps - report.step) * spent / (report.step - first.step), 1),
    }
