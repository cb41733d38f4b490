"""Answers given under a former scheme, read under the one in use: renamed, merged, rescaled, or left undecided."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.scheme import Dimension, Scheme
from app.labels.given import Given
from app.models import FormerScheme, Project
from app.specs import read_scheme

Successors = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of scheme: what its classes and dimensions were, and what became of each class."""

    scheme: Scheme
    mapping: Successors


@dataclass(frozen=True, slots=True)
class Translation:
    """The way from every former version (1, 2 …) to the scheme in use."""

    steps: tuple[Step, ...]
    scheme: Scheme

    @property
    def version(self) -> int:
        """The version in use."""
        return len(self.steps) + 1

    def scheme_of(self, version: int) -> Scheme | None:
        """The scheme of a version; None when there never was one."""
        if not 1 <= version <= self.version:
            return None
        return self.scheme if version == self.version else self.steps[version - 1].scheme

    def classes(self, name: str, version: int) -> list[str]:
        """The classes of the scheme in use that a former class became: several after a split, none when dropped."""
        names = [name]
        for step in self.steps[version - 1 :]:
            names = list(dict.fromkeys(after for before in names for after in step.mapping.get(before, [])))
        return names

    def bring(self, given: Given) -> Given | None:
        """The answer as one under the scheme in use; None when nothing of it holds there.

        A class that was split decides nothing until the clip is answered again; of several classes one is enough to
        leave them all undecided. A dropped class leaves its intensity out. A dimension keeps its place on a new scale.
        """
        if given.version == self.version:
            return given
        label, intensities = self._class_of(given)
        dimensions = self._dimensions(given.dimensions, given.version)
        if label is None and intensities is None and not given.unclear and not dimensions:
            return None
        return replace(given, label=label, intensities=intensities, dimensions=dimensions, version=self.version)

    def decides(self, given: Given) -> bool:
        """Whether the class the answer named is one of the scheme in use; True for one that named none."""
        named = given.label is not None or given.intensities is not None
        brought = self.bring(given)
        return not named or (brought is not None and (brought.label is not None or brought.intensities is not None))

    def _class_of(self, given: Given) -> tuple[str | None, dict[str, float] | None]:
        if given.intensities is None:
            names = [] if given.label is None else self.classes(given.label, given.version)
            return (names[0] if len(names) == 1 else None), None
        carried: dict[str, float] = {}
        for name, intensity in given.intensities.items():
            names = self.classes(name, given.version)
            if len(names) > 1 and intensity > 0:
                return None, None
            if len(names) == 1:
                carried[names[0]] = max(carried.get(names[0], 0.0), intensity)
        top = max(carried.values(), default=0.0)
        if top <= 0:
            return None, None
        strongest = [name for name, intensity in carried.items() if intensity == top]
        return (strongest[0] if len(strongest) == 1 else None), carried

    def _dimensions(self, values: Mapping[str, float] | None, version: int) -> dict[str, float] | None:
        before = self.scheme_of(version)
        if not values or before is None:
            return None
        old = {dimension.name: dimension for dimension in before.dimensions}
        new = {dimension.name: dimension for dimension in self.scheme.dimensions}
        carried = {
            name: rescaled(value, old[name], new[name]) for name, value in values.items() if name in old and name in new
        }
        return carried or None


def rescaled(value: float, old: Dimension, new: Dimension) -> float:
    """The same place on another scale."""
    return new.low + (value - old.low) / (old.high - old.low) * (new.high - new.low)


def translation(session: Session, project_id: int) -> Translation:
    """The project's translation; the project must exist."""
    former = session.execute(
        select(FormerScheme.scheme, FormerScheme.mapping)
        .where(FormerScheme.project_id == project_id)
        .order_by(FormerScheme.version)
    )
    steps = tuple(Step(read_scheme(row.scheme), row.mapping) for row in former)
    in_use = session.execute(select(Project.scheme).where(Project.id == project_id)).scalar_one()
    return Translation(steps, read_scheme(in_use))
