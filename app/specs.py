"""Schemes, recipes and strategies as JSON: what requests carry and rows store, and back to the science's own types."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from al_core.peft.specs import Method
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Modal, Strategy, StrategyError, parse_strategy
from tapt.recipe import TaptRecipe

_METHOD: TypeAdapter[Method] = TypeAdapter(
    Annotated[Method, Field(discriminator="kind")], config=ConfigDict(extra="forbid", allow_inf_nan=False)
)
_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _method_by_kind(value: Any) -> Any:
    """Read `method` by its kind first: the error then names the field of that method, not of every method."""
    if not isinstance(value, dict) or not isinstance(value.get("method"), dict):
        return value
    try:
        return value | {"method": _METHOD.validate_python(value["method"])}
    except ValidationError as error:
        raise ValueError("; ".join(_sentence("recipe.method", dict(each)) for each in error.errors())) from None


def _sentence(prefix: str, error: dict[str, Any]) -> str:
    return f"{'.'.join([prefix, *map(str, error['loc'])])}: {error['msg']}"


def _strategy_by_name(value: Any) -> Any:
    if isinstance(value, str):
        value = parse_strategy(value)
    path = value.path if isinstance(value, Modal) else value.get("path") if isinstance(value, dict) else None
    if isinstance(path, str) and not _IMPORT_PATH.fullmatch(path):
        raise StrategyError(f"strategy {path!r} is no import path: write package.module:name")
    return value


RecipeField = Annotated[Recipe, BeforeValidator(_method_by_kind)]
StrategyField = Annotated[
    Annotated[Strategy, Field(discriminator="kind")],
    BeforeValidator(_strategy_by_name, json_schema_input_type=str | Strategy),
]

_SCHEME: TypeAdapter[Scheme] = TypeAdapter(Scheme)
_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)
_TAPT_RECIPE: TypeAdapter[TaptRecipe] = TypeAdapter(TaptRecipe)
_STRATEGY: TypeAdapter[Strategy] = TypeAdapter(StrategyField)


def read_scheme(stored: Mapping[str, Any]) -> Scheme:
    """The scheme of a stored row."""
    return _SCHEME.validate_python(stored)


def read_recipe(stored: Mapping[str, Any]) -> Recipe:
    """The recipe of a stored row."""
    return _RECIPE.validate_python(stored)


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
