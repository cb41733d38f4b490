"""What cannot work is refused when it is asked for, by name: schemes, recipes, strategies, fairness. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.corpora.manifest import FACTS
from al_core.encoders.outline import check_fits, read_outline
from al_core.recipe import Recipe, RecipeError, check_learns
from al_core.scheme import Scheme, SchemeError
from al_core.strategies.specs import Strategy, innermost
from app.errors import InvalidError
from app.models import Clip, Project
from app.projects.stages import check_start
from app.settings import Settings
from app.specs import read_scheme

GROUPS = ("gender", "session")  # the clip's own columns that fairness may compare; attributes are the others


class RecipeRefusedError(InvalidError):
    """A recipe that cannot work in this project; the sentence names the field."""

    name = "recipe_refused"


def check_scheme(scheme: Scheme) -> None:
    """Refuse a scheme nobody can annotate, or whose dimensions a manifest could not name.

    Raises:
        SchemeError: one class only, a dimension named twice, without a name, or like a column that means something.
    """
    if len(scheme.classes) == 1 or not (scheme.classes or scheme.dimensions):
        raise SchemeError("classes: at least two are needed, or none beside dimensions")
    names = [dimension.name for dimension in scheme.dimensions]
    for name in names:
        if not name.strip():
            raise SchemeError("dimensions: one has an empty name")
        if names.count(name) > 1:
            raise SchemeError(f"dimensions: {name!r} is named twice")
        if name in FACTS:
            raise SchemeError(f"dimensions: {name!r} is a column of manifests that means something else; rename it")


def check_fairness(fairness: Mapping[str, Any] | None, scheme: Scheme) -> None:
    """Refuse columns that hold no groups, and fairness where there are no classes to compare.

    Raises:
        InvalidError: the sentence names the column.
    """
    if fairness is None:
        return
    if not scheme.classes:
        raise InvalidError("fairness: it compares classes between groups, and this scheme has dimensions alone")
    columns: Sequence[str] = fairness["columns"]
    dimensions = {dimension.name for dimension in scheme.dimensions}
    for name in columns:
        if columns.count(name) > 1:
            raise InvalidError(f"fairness: {name!r} is named twice")
        if name in dimensions or (name in FACTS and name not in GROUPS):
            allowed = ", ".join(GROUPS)
            raise InvalidError(f"fairness: {name!r} holds no groups; name {allowed}, or a further column of manifests")


def check_strategy(strategy: Strategy, scheme: Scheme) -> None:
    """Refuse a strategy that reads what this scheme or the service does not have; InvalidError names it."""
    named = innermost(strategy).kind
    if not scheme.dimensions and strategy.needs_dimensions:
        raise InvalidError(f"strategy: {named} reads dimensions, and this scheme has classes alone; name --dimensions")
    if not scheme.classes and strategy.needs_probabilities:
        raise InvalidError(
            f"strategy: {named} reads class probabilities, and this scheme has dimensions alone; "
            "use coverage_then_margin, typiclust, core_set or random"
        )


def check_recipe(session: Session, recipe: Recipe, scheme: Scheme, encoder: str, adapted: int | None = None) -> None:
    """Refuse a recipe that cannot work on this encoder and scheme.

    What the encoder is made of is read from its configuration; where this machine does not have it, the job finds out.

    Args:
        session: to look up the checkpoint it starts from.
        recipe: valid by itself.
        scheme: the project's.
        encoder: folder or hub id the operator named.
        adapted: id of the adapted encoder in use, if any: of the same outline as the named one.

    Raises:
        RecipeRefusedError: more layers than the encoder has, linears it has not, nothing to learn, a start from a
            checkpoint that is not there, of another encoder, or of classes that cannot be mapped.
    """
    try:
        outline = read_outline(encoder)
        if outline is not None:
            check_fits(recipe, outline)
        check_learns(recipe, scheme)
        if recipe.start is not None:
            check_start(session, recipe, scheme, encoder, adapted)
    except RecipeError as error:
        raise RecipeRefusedError(str(error)) from error


def check_values(session: Session, project: Project, split: str) -> None:
    """Refuse to measure CCC where all clips of a split have one value: it does not exist; InvalidError says where."""
    scheme = read_scheme(project.scheme)
    if not scheme.dimensions:
        return
    own = (Clip.project_id == project.id, Clip.split == split, Clip.reference_dimensions.is_not(None))
    known = session.scalars(select(Clip.reference_dimensions).where(*own)).all()
    for dimension in scheme.dimensions:
        values = {row[dimension.name] for row in known if row is not None and dimension.name in row}
        if len(values) == 1:
            raise InvalidError(
                f"{dimension.name} is {values.pop():g} in every {split} clip: the CCC of values that do not differ "
                f"does not exist; import {split} clips that differ"
            )


def check_precision(recipe: Recipe, settings: Settings) -> None:
    """Refuse float16 where no worker has a GPU; RecipeRefusedError says what to use instead."""
    if recipe.precision == "fp16" and not has_gpu(settings):
        raise RecipeRefusedError(
            'recipe.precision is "fp16": no worker here has a GPU, and a CPU trains in "bf16" or "fp32"; set '
            "AFTERLOOP_GPU=yes where the workers have one"
        )


def has_gpu(settings: Settings) -> bool:
    """Whether workers have a GPU: as the setting says, or as this machine looks."""
    if settings.gpu != "auto":
        return settings.gpu == "yes"
    return any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd"))
