"""Schemes, recipes and strategies as JSON: what requests carry and rows store, and back to the science's own types."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import to_jsonable_python

from al_core.recipe import Recipe, RecipeError, recipe_from_dict
from al_core.scheme import Dimension, Scheme, SchemeError
from al_core.strategies.specs import Modal, Strategy, StrategyError, parse_strategy
from tapt.recipe import TaptRecipe

_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _recipe_by_name(value: Any) -> Any:
    """Read a recipe with the science's own reader: it tells methods apart by their kind and names the field."""
    if not isinstance(value, dict):
        return value
    for where, number in _numbers("recipe", value):
        if not math.isfinite(number):
            raise RecipeError(f"{where} is {number}: it must be a finite number")
    return recipe_from_dict(value)


def _numbers(where: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield where, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(f"{where}.{name}", inner)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _numbers(f"{where}.{i}", inner)


def _dimension_with_range(value: Any) -> Any:
    missing = [end for end in ("low", "high") if isinstance(value, dict) and value.get(end) is None]
    if missing:
        name = value.get("name", "")
        raise SchemeError(f"dimension {name!r} has no {' and no '.join(missing)}: give the range of its scale")
    return value


def _strategy_by_name(value: Any) -> Any:
    if isinstance(value, str):
        value = parse_strategy(value)
    path = value.path if isinstance(value, Modal) else value.get("path") if isinstance(value, dict) else None
    if isinstance(path, str) and not _IMPORT_PATH.fullmatch(path):
        raise StrategyError(f"strategy {path!r} is no import path: write package.module:name")
    return value


RecipeField = Annotated[Recipe, BeforeValidator(_recipe_by_name)]
DimensionField = Annotated[Dimension, BeforeValidator(_dimension_with_range)]
StrategyField = Annotated[
    Annotated[Strategy, Field(discriminator="kind")],
    BeforeValidator(_strategy_by_name, json_schema_input_type=str | Strategy),
]

_SCHEME: TypeAdapter[Scheme] = TypeAdapter(Scheme)
_TAPT_RECIPE: TypeAdapter[TaptRecipe] = TypeAdapter(TaptRecipe)
_STRATEGY: TypeAdapter[Strategy] = TypeAdapter(StrategyField)


def read_scheme(stored: Mapping[str, Any]) -> Scheme:
    """The scheme of a stored row."""
    return _SCHEME.validate_python(stored)


def read_recipe(stored: Mapping[str, Any]) -> Recipe:
    """The recipe of a stored row."""
    return recipe_from_dict(stored)


def read_tapt_recipe(stored: Mapping[str, Any]) -> TaptRecipe:
    """The TAPT recipe of a stored row."""
    return _TAPT_RECIPE.validate_python(stored)


def read_strategy(stored: Mapping[str, Any]) -> Strategy:
    """The strategy of a stored row."""
    return _STRATEGY.validate_python(stored)


def as_json(value: Scheme | Recipe | TaptRecipe | Strategy) -> dict[str, Any]:
    """What a row stores: plain lists and dicts."""
    stored: dict[str, Any] = to_jsonable_python(asdict(value))
    return stored
