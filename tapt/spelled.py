"""TAPT recipes as a command line spells them: `--objective contrastive --set objective.negatives=50`. No torch."""

import json
from collections.abc import Sequence
from typing import Any, get_args

from tapt.recipe import Objective, Scope, TaptRecipe, TaptRecipeError, tapt_recipe_from_dict

OBJECTIVES: tuple[str, ...] = tuple(one().kind for one in get_args(Objective))
SCOPES: tuple[str, ...] = tuple(one().kind for one in get_args(Scope))


def recipe_of(objective: str | None, scope: str | None, settings: Sequence[str]) -> TaptRecipe:
    """The recipe of a command line.

    Args:
        objective: a name of `OBJECTIVES`, None for the recipe's default.
        scope: a name of `SCOPES`, None for the recipe's default.
        settings: `field=value` each, the field of an objective or scope with its path; values as JSON, and as plain
            text where they are none.

    Raises:
        TaptRecipeError: a setting without a value, or what the recipe refuses; the sentence names the field.
    """
    plain: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not path.strip():
            raise TaptRecipeError(f"--set {setting!r} sets nothing: write field=value, such as objective.units=100")
        _put(plain, path.strip().removeprefix("recipe.").split("."), _value(value.strip()), setting)
    for name, kind in (("objective", objective), ("scope", scope)):
        if kind is not None:
            plain.setdefault(name, {})["kind"] = kind
    return tapt_recipe_from_dict(plain)


def _put(plain: dict[str, Any], path: list[str], value: Any, setting: str) -> None:
    for name in path[:-1]:
        plain = plain.setdefault(name, {})
        if not isinstance(plain, dict):
            raise TaptRecipeError(f"--set {setting!r}: {name} is no group of fields")
    plain[path[-1]] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
