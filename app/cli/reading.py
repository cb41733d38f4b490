"""What options spell out: dimensions, fairness, recipes. An error is one sentence that names the option."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from al_core.recipe import Recipe
    from al_core.scheme import Dimension


def dimensions(given: list[str]) -> tuple["Dimension", ...]:
    """`arousal:1:5` and `arousal:1:5,valence:1:5` as dimensions with their ranges."""
    from al_core.scheme import Dimension

    found = []
    for one in _parts(given):
        name, *ends = one.rsplit(":", 2)
        try:
            low, high = (float(end) for end in ends)
        except ValueError:
            raise typer.BadParameter(f"{one!r} is no dimension: write name:low:high, such as arousal:1:5") from None
        found.append(Dimension(name, low, high))
    return tuple(found)


def fairness(given: list[str]) -> dict[str, Any] | None:
    """`gender:0.1` or `gender,language:0.2`: columns, and the gap above which a round warns. None for nothing."""
    columns, limits = [], []
    for one in _parts(given):
        name, _, limit = one.partition(":")
        columns.append(name.strip())
        try:
            limits += [float(limit)] if limit else []
        except ValueError:
            limits.append(0.0)
    if any(not 0 < limit <= 1 for limit in limits) or len(set(limits)) > 1:
        raise typer.BadParameter("--fairness takes one limit above 0 and up to 1, such as gender,language:0.1")
    return {"columns": columns, "limit": limits[0] if limits else 0.1} if columns else None


def recipe(file: Path) -> "Recipe":
    """The recipe of a JSON file."""
    from al_core.recipe import recipe_from_dict

    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--recipe: {file} cannot be read as JSON ({error})") from None
    if not isinstance(plain, dict):
        raise typer.BadParameter(f"--recipe: {file} holds no object: write the recipe's fields")
    return recipe_from_dict(plain)


def first_recipe(file: Path | None, layer: int | None, normalise_speakers: bool | None, classes: bool) -> "Recipe":
    """The recipe of a JSON file, or the standard one with what is said of it."""
    from al_core.recipe import standard_recipe

    if file is None:
        return standard_recipe(layer, "auto" if normalise_speakers is None else normalise_speakers, classes)
    if layer is not None or normalise_speakers is not None:
        raise typer.BadParameter("--recipe says everything: write layer and normalise_speakers into the file")
    return recipe(file)


def _parts(given: list[str]) -> list[str]:
    return [part.strip() for one in given for part in one.split(",") if part.strip()]
