"""What an annotator may say about a clip, checked against the scheme it was asked under."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from al_core.scheme import Scheme
from app.annotations.leases import LeaseId
from app.annotations.settings import Annotating, SkipReason
from app.errors import InvalidError
from app.specs import read_scheme

NOTHING = "say something of the clip: one of {names}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an annotator sends for one lease: an answer, or the reason of a skip.

    Attributes:
        lease: whose.
        label: one class, or the strongest of `intensities`.
        skip_reason: why there is no answer.
        comment: free text.
        seconds: spent on the clip.
        intensities: class → 0–1, when several are heard.
        unclear: no class can be told.
        dimensions: name → value on the scheme's own scale.
        scheme_version: the version the annotator saw; None is the newest.
    """

    lease: LeaseId
    label: str | None
    skip_reason: SkipReason | None
    comment: str | None
    seconds: float | None
    intensities: Mapping[str, float] | None = None
    unclear: bool = False
    dimensions: Mapping[str, float] | None = None
    scheme_version: int | None = None

    def content(self) -> dict[str, Any]:
        """What is stored of it, by column."""
        return {
            "label": self.label,
            "skip_reason": self.skip_reason,
            "comment": self.comment,
            "seconds": self.seconds,
            "intensities": None if self.intensities is None else dict(self.intensities),
            "unclear": self.unclear,
            "dimensions": None if self.dimensions is None else dict(self.dimensions),
        }


def checked(given: Answer, scheme: Scheme, settings: Annotating) -> Answer:
    """The answer with its strongest class as label; InvalidError when the scheme or the project does not allow it."""
    if given.skip_reason is not None:
        return given
    if given.intensities is not None:
        given = _with_strongest(given, scheme, settings)
    if given.label is not None and given.label not in scheme.classes:
        raise InvalidError(f"label {given.label!r} is not in the scheme: answer with one of {_names(scheme)}")
    if given.unclear and (given.label is not None or given.intensities is not None):
        raise InvalidError("unclear: an answer is unclear or names classes, not both")
    if given.unclear and not settings.unclear:
        raise InvalidError("unclear: this project wants a class for every clip; skip it as `unsure` if there is none")
    _check_dimensions(given.dimensions or {}, scheme)
    has_class = given.unclear or given.label is not None or given.intensities is not None
    if scheme.classes and not has_class:
        raise InvalidError(f"label: {NOTHING.format(names=_names(scheme))}")
    if not has_class and not given.dimensions:
        raise InvalidError(f"dimensions: {NOTHING.format(names=', '.join(d.name for d in scheme.dimensions))}")
    return replace(given, dimensions=given.dimensions or None)


def _with_strongest(given: Answer, scheme: Scheme, settings: Annotating) -> Answer:
    """Intensities checked, and the label set to the one strongest class, if there is one."""
    heard = given.intensities or {}
    if not settings.several_classes:
        raise InvalidError("intensities: this project wants one class; send `label` alone")
    unknown = [name for name in heard if name not in scheme.classes]
    if unknown:
        raise InvalidError(f"intensities: {unknown[0]!r} is not in the scheme: it has {_names(scheme)}")
    if any(not 0 <= value <= 1 for value in heard.values()) or not any(heard.values()):
        raise InvalidError("intensities: each is 0–1, and at least one is above 0")
    top = max(heard.values())
    strongest = [name for name, value in heard.items() if value == top]
    if given.label is not None and given.label not in strongest:
        raise InvalidError(f"label {given.label!r} is not the strongest of the intensities: leave it out")
    return replace(given, label=strongest[0] if len(strongest) == 1 else given.label)


def _check_dimensions(given: Mapping[str, float], scheme: Scheme) -> None:
    known = {dimension.name: dimension for dimension in scheme.dimensions}
    for name, value in given.items():
        dimension = known.get(name)
        if dimension is None:
            has = ", ".join(known) or "none"
            raise InvalidError(f"dimensions: {name!r} is not in the scheme: its dimensions are {has}")
        if not dimension.low <= value <= dimension.high:
            raise InvalidError(f"dimensions: {name} {value:g} is outside of {dimension.low:g}–{dimension.high:g}")


def _names(scheme: Scheme) -> str:
    return ", ".join(scheme.classes)


@lru_cache(maxsize=256)
def parse_scheme(stored: str) -> Scheme:
    """The scheme of a stored row from the column's text, remembered: the hot path reads it with every answer."""
    return read_scheme(json.loads(stored))
