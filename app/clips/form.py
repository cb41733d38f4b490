"""Form fields of an upload that hold JSON: values of dimensions, and attributes."""

from pydantic import ConfigDict, TypeAdapter, ValidationError

from app.errors import InvalidError

LONGEST_NAME, LONGEST_TEXT = 100, 10_000
_STRICT = ConfigDict(allow_inf_nan=False)
_VALUES: TypeAdapter[dict[str, float]] = TypeAdapter(dict[str, float], config=_STRICT)
_ATTRIBUTES: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def read_values(text: str | None) -> dict[str, float] | None:
    """Values of dimensions by name, or None where nothing is said; InvalidError when it is no JSON of numbers."""
    if not text:
        return None
    try:
        return _VALUES.validate_json(text) or None
    except ValidationError:
        raise InvalidError('dimensions: write a JSON object of finite numbers, such as {"arousal": 3.5}') from None


def read_attributes(text: str | None) -> dict[str, str]:
    """Attributes by name; InvalidError when it is no JSON of texts, or one of them cannot be stored."""
    if not text:
        return {}
    try:
        found = _ATTRIBUTES.validate_json(text)
    except ValidationError:
        raise InvalidError('attributes: write a JSON object of texts, such as {"language": "de"}') from None
    for name, value in found.items():
        why = unstorable(name, value)
        if why is not None:
            raise InvalidError(f"attributes: {why}")
    return {name: value for name, value in found.items() if value}


def unstorable(name: str, value: str) -> str | None:
    """Why an attribute cannot be kept, or None when it can."""
    if not name.strip() or len(name) > LONGEST_NAME or "\0" in name:
        return f"{name[:LONGEST_NAME]!r} is no name: write 1 to {LONGEST_NAME} characters"
    if len(value) > LONGEST_TEXT or "\0" in value:
        return f"{name} has {len(value)} characters or a NUL in it"
    return None
