"""Figures of a classifier as a row stores them, and the sentences that tell of gaps between groups."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from al_core.evaluation.evaluate import Evaluation
from al_core.evaluation.fairness import Fairness
from al_core.scheme import Scheme

# As `al_core.evaluation.fairness.Fairness` names them, and as a sentence does.
GAPS = {
    "demographic_parity": "demographic parity",
    "statistical_parity": "statistical parity",
    "equal_opportunity": "equality of opportunity",
}


def as_plain(value: Any) -> Any:
    """Dataclasses' dicts and tuples as JSON, where a number that does not exist is null."""
    if isinstance(value, Mapping):
        return {str(name): as_plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def figures_of(found: Evaluation, scheme: Scheme) -> dict[str, Any]:
    """An evaluation as a row stores it; the names of the classes stand beside the confusion they explain."""
    plain: dict[str, Any] = as_plain(asdict(found))
    if plain["classes"] is not None:
        plain["classes"]["names"] = list(scheme.classes)
    return plain


def warnings_of(column: str, found: Fairness, limit: float, scheme: Scheme) -> list[str]:
    """A sentence for every kind of gap between a column's groups that is above the limit."""
    warnings = []
    for name, said in GAPS.items():
        gap = getattr(found, name)
        if gap is not None and gap.maximum > limit:
            warnings.append(
                f"{column}: the gap of {said} is {gap.maximum:.2f} ({gap.maximum_low:.2f} to {gap.maximum_high:.2f}) "
                f"on {_widest(gap.per_class, scheme.classes)}, above the limit of {limit:g}"
            )
    return warnings


def _widest(per_class: Sequence[float | None], classes: Sequence[str]) -> str:
    """The class with the largest gap."""
    return max(zip(per_class, classes, strict=True), key=lambda one: -1.0 if one[0] is None else one[0])[1]
