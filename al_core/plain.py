"""Frozen dataclasses from plain JSON values, checked field by field; errors name the field by its path."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "a text",
    NoneType: "null",
}


class PlainError(ValueError):
    """A value that does not fit its field; the sentence names the field and what it must be."""


def read_plain(where: str, kind: type[T], plain: object) -> T:
    """A `kind` from an object of JSON values; absent fields keep their defaults.

    A union of dataclasses is told apart by their field `kind`; lists become tuples.

    Raises:
        PlainError: an unknown field or kind, or a value of the wrong type.
        ValueError: what `kind` itself refuses; what a nested dataclass refuses becomes a PlainError with its path.
    """
    if not isinstance(plain, Mapping):
        raise PlainError(f"{where} is {plain!r}: it must be an object")
    hints = get_type_hints(kind)
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # a `type[T]` is not known for a dataclass
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name not in names:
            raise PlainError(f"{where}.{name} is unknown: the fields are {', '.join(sorted(names))}")
        values[name] = _read(f"{where}.{name}", hints[name], value)
    return kind(**values)


def _read(where: str, hint: Any, value: object) -> Any:
    if _is_union(hint):
        return _read_union(where, get_args(hint), value)
    if get_origin(hint) is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise PlainError(f"{where} is {value!r}: it must be {_describe(hint)}")
        return tuple(_read(f"{where}.{i}", one, each) for i, (one, each) in enumerate(_items(where, hint, value)))
    if is_dataclass(hint):
        return _read_nested(where, hint, value)
    if not _fits(value, hint):
        raise PlainError(f"{where} is {value!r}: it must be {_describe(hint)}")
    return value


def _read_nested(where: str, kind: Any, value: object) -> Any:
    try:
        return read_plain(where, kind, value)
    except PlainError:
        raise
    except ValueError as error:  # the dataclass's own, which begins with the field's name
        raise PlainError(f"{where}.{error}") from None


def _read_union(where: str, members: tuple[Any, ...], value: object) -> Any:
    described = [one for one in members if is_dataclass(one)]
    if described and isinstance(value, Mapping):
        return _read_nested(where, described[0] if len(described) == 1 else _of_kind(where, described, value), value)
    for member in members:
        if get_origin(member) is tuple and isinstance(value, Sequence) and not isinstance(value, str):
            return _read(where, member, value)
        if not is_dataclass(member) and _fits(value, member):
            return value
    raise PlainError(f"{where} is {value!r}: it must be {_alternatives(members)}")


def _of_kind(where: str, described: list[Any], value: Mapping[str, object]) -> Any:
    by_kind = {get_args(get_type_hints(one)["kind"])[0]: one for one in described}
    kind = value.get("kind")
    if kind not in by_kind:
        raise PlainError(f"{where}.kind is {kind!r}: use {', '.join(by_kind)}")
    return by_kind[kind]


def _items(where: str, hint: Any, value: Sequence[object]) -> list[tuple[Any, object]]:
    inner = get_args(hint)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return [(inner[0], each) for each in value]
    if len(inner) != len(value):
        raise PlainError(f"{where} has {len(value)} values: it must have {len(inner)}")
    return list(zip(inner, value, strict=True))


def _is_union(hint: Any) -> bool:
    return isinstance(hint, UnionType) or get_origin(hint) is Union


def _fits(value: object, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is float:
        # NaN fails the comparison, and so does a whole number no float can hold.
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    # bool is a subclass of int, so `true` would pass for a number.
    return type(value) is hint


def _describe(hint: Any) -> str:
    if _is_union(hint):
        return _alternatives(get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        return "a list"
    if is_dataclass(hint):
        return "an object"
    return {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text", NoneType: "null"}[
        hint
    ]


def _alternatives(members: tuple[Any, ...]) -> str:
    return " or ".join(dict.fromkeys(_describe(one) for one in members))
