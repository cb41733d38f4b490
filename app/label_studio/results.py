"""One answer as Label Studio writes it, and back. Pure: plain values in, plain values out.

The first region carries what Label Studio has no place for (annotator, version of the scheme, times) as
`meta.afterloop`, which it keeps as it is; so an answer that went through Label Studio is recognised when it returns.
"""

from collections.abc import Mapping
from typing import Any

from app.label_studio.layout import (
    AUDIO,
    COMMENT,
    DIMENSION,
    EMOTION,
    INTENSITY,
    SKIP,
    UNCLEAR,
    UNCLEAR_CHOICE,
)

META = "afterloop"
Json = dict[str, Any]


class ResultError(ValueError):
    """A result that says nothing we can use; the sentence names the part."""


def regions(row: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> list[Json]:
    """The `result` of an answer.

    Args:
        row: label, intensities, unclear, dimensions, skip_reason and comment; what is missing or null is not said.
        meta: what the first region carries besides.
    """
    found: list[Json] = []
    named = list(row.get("intensities") or ()) or ([row["label"]] if row.get("label") else [])
    if named:
        found.append(_region(EMOTION, "choices", {"choices": named}))
    if row.get("unclear"):
        found.append(_region(UNCLEAR, "choices", {"choices": [UNCLEAR_CHOICE]}))
    if row.get("skip_reason"):
        found.append(_region(SKIP, "choices", {"choices": [row["skip_reason"]]}))
    for prefix, numbers in ((INTENSITY, row.get("intensities")), (DIMENSION, row.get("dimensions"))):
        found += [_region(prefix + name, "number", {"number": value}) for name, value in (numbers or {}).items()]
    if row.get("comment"):
        found.append(_region(COMMENT, "textarea", {"text": [row["comment"]]}))
    if found and meta is not None:
        found[0]["meta"] = {META: dict(meta)}
    return found


def said(result: object) -> Json:
    """What a `result` says, by our names: label, intensities, unclear, dimensions, skip_reason, comment.

    Several chosen classes without numbers weigh the same. A project of somebody else's layout is read by type: its one
    block of single choices is the class, its text areas the comment.

    Raises:
        ResultError: it is not a list of regions, or two blocks of choices could be the class.
    """
    if not isinstance(result, list) or not all(isinstance(region, dict) for region in result):
        raise ResultError("result is not a list of regions")
    named = [_choices(region) for region in result if _is_class(region, result)]
    if len(named) > 1:
        raise ResultError(f"{len(named)} blocks of choices could be the emotion: name the right one {EMOTION!r}")
    classes = named[0] if named else []
    intensities = _numbers(result, INTENSITY) or (dict.fromkeys(classes, 1.0) if len(classes) > 1 else {})
    skips = [_choices(region) for region in result if region.get("from_name") == SKIP]
    texts = [text for region in result if region.get("type") == "textarea" for text in _texts(region)]
    return {
        "label": classes[0] if len(classes) == 1 else None,
        "intensities": intensities or None,
        "unclear": any(region.get("from_name") == UNCLEAR and _choices(region) for region in result),
        "dimensions": _numbers(result, DIMENSION) or None,
        "skip_reason": skips[0][0] if skips and skips[0] else None,
        "comment": "\n".join(texts) or None,
    }


def carried(result: object) -> Json:
    """What we had put into a result; empty where it is not from us."""
    for region in result if isinstance(result, list) else []:
        meta = region.get("meta") if isinstance(region, dict) else None
        ours = meta.get(META) if isinstance(meta, dict) else None
        if isinstance(ours, dict):
            return ours
    return {}


def _region(name: str, kind: str, value: Json) -> Json:
    return {"id": name, "from_name": name, "to_name": AUDIO, "type": kind, "value": value}


def _is_class(region: Json, result: list[Json]) -> bool:
    if region.get("type") != "choices" or region.get("from_name") in (UNCLEAR, SKIP):
        return False
    ours = any(other.get("from_name") == EMOTION for other in result)
    return region.get("from_name") == EMOTION if ours else True


def _value(region: Json) -> Json:
    value = region.get("value")
    if not isinstance(value, dict):
        raise ResultError(f"region {region.get('from_name')!r} has no value")
    return value


def _choices(region: Json) -> list[str]:
    choices = _value(region).get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise ResultError(f"region {region.get('from_name')!r} has no choices")
    return choices


def _texts(region: Json) -> list[str]:
    text = _value(region).get("text")
    return [str(each) for each in text] if isinstance(text, list) else [str(text)] if text else []


def _numbers(result: list[Json], prefix: str) -> dict[str, float]:
    """Numbers, and ratings, whose control is named `prefix` + name."""
    found = {}
    for region in result:
        name = region.get("from_name")
        if isinstance(name, str) and name.startswith(prefix):
            value = _value(region).get("number", _value(region).get("rating"))
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ResultError(f"region {name!r} has no number")
            found[name.removeprefix(prefix)] = float(value)
    return found
