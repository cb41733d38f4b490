"""Answers on their way in, whatever file they come from, and how their cells are read. Pure: values in, values out.

A row that cannot be read is an `Unread` with its place and a reason; it stops nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that is no answer: where it stands, the reason's name, and a sentence."""

    where: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ClipName:
    """What a row calls its clip. At least one of `external_id`, `asset_sha256` and `clip_id` is there."""

    external_id: str | None
    asset_sha256: str | None
    start_s: float | None
    end_s: float | None
    clip_id: int | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event of somebody: an answer, a skip, or a withdrawal.

    Attributes:
        where: its place in the file.
        clip, annotator: whose answer to what.
        label, intensities, unclear, dimensions, skip_reason, comment, seconds: what was said.
        kind: why it was asked; "answer" in files of others.
        scheme_version: under which version; None is the newest.
        at: when; None where the file does not tell.
        shown: the guess the annotator saw.
        withdrawn: whether it takes back what it supersedes.
        number, supersedes: of this file: which event this is, and which it replaces.
        identity: the same for every version of one answer of another program; None in our own files.
    """

    where: str
    clip: ClipName
    annotator: str
    label: str | None = None
    intensities: Mapping[str, float] | None = None
    unclear: bool = False
    dimensions: Mapping[str, float] | None = None
    skip_reason: str | None = None
    comment: str | None = None
    seconds: float | None = None
    kind: str = "answer"
    scheme_version: int | None = None
    at: datetime | None = None
    shown: Mapping[str, Any] | None = None
    withdrawn: bool = False
    number: int | None = None
    supersedes: int | None = None
    identity: str | None = None

    @property
    def digest(self) -> str:
        """What makes two events the same: who, about what, what was said, and when where that is told."""
        told = asdict(self)
        for place in ("where", "number", "supersedes", "identity", "clip", "shown"):
            del told[place]
        clip = self.clip.external_id or f"{self.clip.asset_sha256} {self.clip.start_s} {self.clip.end_s}"
        text = json.dumps([clip, told], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision of an adjudicator that came along with a clip."""

    where: str
    clip: ClipName
    adjudicator: str
    decision: str
    label: str | None
    dimensions: Mapping[str, float] | None
    reason: str
    scheme_version: int | None
    at: datetime | None


Row = Incoming | Ruling | Unread


def clip_name(row: Mapping[str, Any]) -> ClipName:
    """What a row calls its clip; ValueError when it names none."""
    named = ClipName(
        external_id=text(row, "external_id"),
        asset_sha256=text(row, "asset_sha256"),
        start_s=number(row, "start_s"),
        end_s=number(row, "end_s"),
        clip_id=whole(row, "clip_id"),
    )
    if named.external_id is None and named.asset_sha256 is None and named.clip_id is None:
        raise ValueError("no clip is named: give external_id, or asset_sha256 with start_s and end_s")
    return named


def ruling(where: str, clip: ClipName, row: Mapping[str, Any]) -> Ruling:
    """A decision as our exports have it."""
    return Ruling(
        where=where,
        clip=clip,
        adjudicator=text(row, "adjudicator", must=True) or "",
        decision=text(row, "decision", must=True) or "",
        label=text(row, "label"),
        dimensions=numbers(row, "dimensions"),
        reason=text(row, "reason") or "",
        scheme_version=whole(row, "scheme_version"),
        at=moment(row, "decided_at"),
    )


def text(row: Mapping[str, Any], name: str, must: bool = False) -> str | None:
    """A text, None where it is empty; ValueError when it must be there and is not, or is no text."""
    value = row.get(name)
    if value is None or value == "":
        if must:
            raise ValueError(f"{name} is missing")
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name}: {str(value)[:100]!r} is no text")
    return value


def number(row: Mapping[str, Any], name: str) -> float | None:
    """A finite number, None where it is empty."""
    value = row.get(name)
    if value is None or value == "":
        return None
    figure = float(value)
    if not abs(figure) < 1e12:
        raise ValueError(f"{name}: {value} is no finite number")
    return figure


def whole(row: Mapping[str, Any], name: str) -> int | None:
    """An id or another whole number that fits a column."""
    value = number(row, name)
    if value is None:
        return None
    if value != int(value) or not 0 <= value <= 2_147_483_647:
        raise ValueError(f"{name}: {row[name]} is no id")
    return int(value)


def numbers(row: Mapping[str, Any], name: str) -> dict[str, float] | None:
    """Names and numbers; None where it is empty."""
    value = row.get(name)
    if not value:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object of numbers")
    return {str(key): float(number(value, key) or 0.0) for key in value}


def moment(row: Mapping[str, Any], name: str) -> datetime | None:
    """A moment of ISO 8601 in UTC; one without a zone is taken for UTC."""
    value = text(row, name)
    if value is None:
        return None
    at = datetime.fromisoformat(value)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def sentence(error: Exception) -> str:
    """An error as a remark tells it."""
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
