"""The emotion scheme: what an annotator may answer and a classifier predicts."""

from dataclasses import dataclass


class SchemeError(ValueError):
    """A scheme that cannot be used, or a label that is not in it."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One affective dimension (arousal, valence, dominance) and the closed range of its scale."""

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise SchemeError(f"dimension {self.name!r}: low {self.low} must be below high {self.high}")


@dataclass(frozen=True, slots=True)
class Scheme:
    """Ordered emotion classes, and optionally dimensions with their ranges.

    Labels are *names*; an index exists only inside a run, and always through this order, so two corpora whose
    files number their emotions differently can never be swapped silently.

    Raises:
        SchemeError: fewer than two classes and no dimension, a repeated name, or an empty one.
    """

    classes: tuple[str, ...]
    dimensions: tuple[Dimension, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) < 2 and not self.dimensions:
            raise SchemeError("a scheme needs at least two classes, or a dimension")
        if len(set(self.classes)) != len(self.classes):
            raise SchemeError(f"a class is named twice: {', '.join(self.classes)}")
        if any(not name.strip() for name in self.classes):
            raise SchemeError("a class has an empty name")

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, label: str) -> int:
        """Position of a class name in the scheme's order; SchemeError names the label and the classes."""
        try:
            return self.classes.index(label)
        except ValueError:
            raise SchemeError(f"unknown label {label!r}: the scheme has {', '.join(self.classes)}") from None
