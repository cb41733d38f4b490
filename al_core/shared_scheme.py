"""What the schemes of two stages have in common: classes by name, dimensions by name and range. No torch."""

from dataclasses import dataclass

from al_core.recipe import RecipeError, Start
from al_core.scheme import Scheme


@dataclass(frozen=True, slots=True)
class SharedScheme:
    """What two schemes have in common, under the target's names.

    Attributes:
        scheme: the shared classes in the target's order; the dimensions that have one name and one range in both.
        source, target: positions of the shared classes in either scheme.
        source_dimensions, target_dimensions: positions of the shared dimensions.
    """

    scheme: Scheme
    source: tuple[int, ...]
    target: tuple[int, ...]
    source_dimensions: tuple[int, ...]
    target_dimensions: tuple[int, ...]


def shared_scheme(source: Scheme, target: Scheme, start: Start) -> SharedScheme:
    """Map the classes of two schemes by name.

    A class of the target is the source's class of the same name, or the one `start.classes` pairs it with. A class that
    only the source has is left out of its figures.

    Raises:
        RecipeError: a pair names a class that does not exist or a class twice, a class of the target has no
            counterpart and is not declared in `start.new_classes`, or fewer than two classes and no dimension are left.
    """
    counterpart = _counterparts(source, target, start)
    unknown = [name for name in start.new_classes if name not in target.classes]
    if unknown:
        raise RecipeError(f"recipe.start.new_classes names {unknown[0]!r}, which is no class of this scheme")
    unmapped = [name for name in target.classes if name not in counterpart and name not in start.new_classes]
    if unmapped:
        raise RecipeError(
            f"recipe.start: the first stage has no class for {', '.join(unmapped)}: it has "
            f"{', '.join(source.classes) or 'none'}. Pair them in recipe.start.classes, or name them in "
            "recipe.start.new_classes"
        )
    names = tuple(name for name in target.classes if name in counterpart)
    dimensions = tuple(one for one in target.dimensions if one in source.dimensions)
    if len(names) < 2 and not dimensions:
        raise RecipeError("recipe.start: the two schemes share fewer than two classes and no dimension")
    names = names if len(names) >= 2 else ()
    return SharedScheme(
        scheme=Scheme(names, dimensions),
        source=tuple(source.index(counterpart[name]) for name in names),
        target=tuple(target.index(name) for name in names),
        source_dimensions=tuple(source.dimensions.index(one) for one in dimensions),
        target_dimensions=tuple(target.dimensions.index(one) for one in dimensions),
    )


def _counterparts(source: Scheme, target: Scheme, start: Start) -> dict[str, str]:
    """Class of the target → class of the source."""
    for first, second in start.classes:
        if first not in source.classes or second not in target.classes:
            raise RecipeError(
                f"recipe.start.classes pairs {first!r} with {second!r}: name a class of the first stage "
                f"({', '.join(source.classes)}) and one of this scheme ({', '.join(target.classes)})"
            )
    renamed = {second: first for first, second in start.classes}
    found = {name: renamed.get(name, name) for name in target.classes if name in renamed or name in source.classes}
    kept = {name: other for name, other in found.items() if name not in start.new_classes}
    twice = sorted({other for other in kept.values() if list(kept.values()).count(other) > 1})
    if twice or len(renamed) < len(start.classes):
        raise RecipeError(f"recipe.start.classes uses {', '.join(twice) or 'a class'} twice: pair each class once")
    return kept
