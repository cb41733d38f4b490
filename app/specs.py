"""Schemes, recipes and strategies as JSON: what requests carry and rows store, and back to the science's own types."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, field, fields, is_dataclass, make_dataclass
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from al_core.recipe import Recipe, recipe_from_dict
from al_core.scheme import Dimension, Scheme, SchemeError
from al_core.strategies.specs import Modal, Strategy, StrategyError, parse_strategy
from tapt.recipe import TaptRecipe, tapt_recipe_from_dict

_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _recipe_by_name(value: Any) -> Any:
    """Read a recipe with the science's own reader: it tells methods apart by their kind and names the field."""
    if not isinstance(value, dict):
        return value
    return recipe_from_dict(value)


def _dimension_with_range(value: Any) -> Any:
    missing = [end for end in ("low", "high") if isinstance(value, dict) and value.get(end) is None]
    if missing:
        name = value.get("name", "")
        raise SchemeError(f"dimension {name!r} has no {' and no '.join(missing)}: give the range of its scale")
    return value


def _strategy_by_name(value: Any) -> Any:
    if isinstance(value, str):
        value = parse_strategy(value)
    if isinstance(value, dict) and "inner" in value:  # of a wrapper: a name as well, and wrapped again if need be
        return value | {"inner": _inner(value["inner"])}
    path = value.path if isinstance(value, Modal) else value.get("path") if isinstance(value, dict) else None
    if isinstance(path, str) and not _IMPORT_PATH.fullmatch(path):
        raise StrategyError(f"strategy {path!r} is no import path: write package.module:name")
    return value


def _tapt_recipe_by_name(value: Any) -> Any:
    return tapt_recipe_from_dict(value) if isinstance(value, dict) else value


def _tapt_shape() -> Any:
    """TAPT's recipe for OpenAPI: its unions told apart by their kind, so that each member's own fields are named."""
    hints = get_type_hints(TaptRecipe)
    shape = []
    for one in fields(TaptRecipe):
        hint = hints[one.name]
        is_union = len(get_args(hint)) > 1 and all(map(is_dataclass, get_args(hint)))
        told_apart = Annotated[hint, Field(discriminator="kind")] if is_union else hint
        default = field(default_factory=one.default_factory) if one.default is MISSING else field(default=one.default)
        shape.append((one.name, told_apart, default))
    made = make_dataclass("TaptRecipe", shape, frozen=True)
    made.__doc__ = TaptRecipe.__doc__
    return made


def _inner(value: Any) -> Strategy:
    try:
        return _INNER.validate_python(value)
    except ValidationError as error:
        told = error.errors()[0]
        where = ".".join(map(str, ("inner", *told["loc"])))
        raise StrategyError(f"{where}: {told['msg'].removeprefix('Value error, ')}") from error


RecipeField = Annotated[Recipe, BeforeValidator(_recipe_by_name)]
TaptRecipeField = Annotated[TaptRecipe, BeforeValidator(_tapt_recipe_by_name, json_schema_input_type=_tapt_shape())]
DimensionField = Annotated[Dimension, BeforeValidator(_dimension_with_range)]
StrategyField = Annotated[
    Annotated[Strategy, Field(discriminator="kind")],
    BeforeValidator(_strategy_by_name, json_schema_input_type=str | Strategy),
]

_SCHEME: TypeAdapter[Scheme] = TypeAdapter(Scheme)
_STRATEGY: TypeAdapter[Strategy] = TypeAdapter(StrategyField)
_INNER: TypeAdapter[Strategy] = TypeAdapter(StrategyField, config=ConfigDict(extra="forbid"))  # as a request's own


def read_scheme(stored: Mapping[str, Any]) -> Scheme:
    """The scheme of a stored row."""
    return _SCHEME.validate_python(stored)


def read_recipe(stored: Mapping[str, Any]) -> Recipe:
    """The recipe of a stored row."""
    return recipe_from_dict(stored)


def read_tapt_recipe(stored: Mapping[str, Any]) -> TaptRecipe:
    """The TAPT recipe of a stored row."""
    return tapt_recipe_from_dict(stored)


def read_strategy(stored: Mapping[str, Any]) -> Strategy:
    """The strategy of a stored row."""
    return _STRATEGY.validate_python(stored)


def as_json(value: Scheme | Recipe | TaptRecipe | Strategy) -> dict[str, Any]:
    """What a row stores: plain lists and dicts."""
    stored: dict[str, Any] = to_jsonable_python(asdict(value))
    return stored
