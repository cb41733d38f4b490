"""What a classifier is trained on: clips with labels or label distributions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_core.features import Clip
from al_core.scheme import Dimension, Scheme

Floats = NDArray[np.float32]


class TargetError(ValueError):
    """Targets that are no distributions over the scheme's classes, or no values of its dimensions."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClips:
    """Clips, and the label of each: a distribution over the scheme's classes, values of its dimensions, or both.

    Attributes:
        clips: n clips.
        targets: (n, c) float32, rows summing to 1: one-hot for a label, soft where annotators differ. A row of zeros
            is a clip without a class, of which only dimensions are known.
        weights: (n,) float32 above 0, how much each clip counts for the classes; None where each counts 1.
        dimensions: (n, m) float32 on the scheme's own scales, NaN where unknown; None for a scheme without dimensions.

    Raises:
        TargetError: shapes that do not fit, a row that is no distribution, a clip about which nothing is known; the
            sentence names the clip.
    """

    clips: tuple[Clip, ...]
    targets: Floats
    dimensions: Floats | None = None
    weights: Floats | None = None

    def __post_init__(self) -> None:
        if self.targets.ndim != 2 or len(self.targets) != len(self.clips):
            raise TargetError(f"targets {self.targets.shape} do not fit {len(self.clips)} clips: give one row a clip")
        if self.dimensions is not None and (self.dimensions.ndim != 2 or len(self.dimensions) != len(self.clips)):
            raise TargetError(
                f"dimensions {self.dimensions.shape} do not fit {len(self.clips)} clips: give one row a clip"
            )
        if self.weights is not None and self.weights.shape != (len(self.clips),):
            raise TargetError(f"weights {self.weights.shape} do not fit {len(self.clips)} clips: give one a clip")
        valued: Any = False
        if self.dimensions is not None:
            valued = np.isfinite(self.dimensions).any(axis=1)
            self._refuse(np.isinf(self.dimensions).any(axis=1), "has an infinite dimension: write NaN where unknown")
        sums = self.targets.sum(axis=1)
        classless = (sums == 0) & valued
        good = (np.isclose(sums, 1.0, atol=1e-4) | classless) & (self.targets >= 0).all(axis=1)
        self._refuse(~good, "is no distribution: its row must be ≥ 0 and sum to 1")
        if self.weights is not None:
            self._refuse(~(np.isfinite(self.weights) & (self.weights > 0)), "has no weight above 0: leave the clip out")

    @property
    def mass(self) -> Floats:
        """(n, c) float32 targets times weights, as losses take them: they are linear in the targets."""
        return self.targets if self.weights is None else self.targets * self.weights[:, None]

    def _refuse(self, bad: Any, why: str) -> None:
        if bad.any():
            raise TargetError(f"the target of clip {self.clips[int(np.flatnonzero(bad)[0])].key} {why}")

    def __len__(self) -> int:
        return len(self.clips)


def one_hot(labels: Sequence[str], scheme: Scheme) -> Floats:
    """(n, c) float32 rows with a 1 at the label's place in the scheme; SchemeError names an unknown label."""
    positions = [scheme.index(label) for label in labels]
    targets = np.zeros((len(labels), len(scheme)), dtype=np.float32)
    targets[np.arange(len(labels)), positions] = 1
    return targets


def class_weights(targets: Floats) -> Floats:
    """Inverse class frequency over label distributions: w_j = n / (c′ · Σ_i t_ij), with c′ the classes that occur.

    On one-hot rows it is scikit-learn's "balanced". Classes that never occur get 0. (c,) float32.
    """
    mass = targets.sum(axis=0, dtype=np.float64)  # (c,)
    seen = mass > 0
    weights = np.zeros(len(mass), dtype=np.float32)
    weights[seen] = mass.sum() / (seen.sum() * mass[seen])
    return weights


def to_unit(dimensions: Floats, scheme: Scheme) -> Floats:
    """(n, m) values on the scheme's scales → (x − low) / (high − low) float32, 0 to 1 inside the ranges; NaN stays."""
    low, span = _ranges(scheme)
    unit: Floats = ((dimensions - low) / span).astype(np.float32)
    return unit


def from_unit(unit: Floats, scheme: Scheme) -> Floats:
    """(n, m) float32 on the scheme's scales, clipped to their ranges: what `to_unit` undoes inside them."""
    low, span = _ranges(scheme)
    return np.clip(low + unit * span, low, low + span).astype(np.float32)


def _ranges(scheme: Scheme) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = np.array([dimension.low for dimension in scheme.dimensions], dtype=np.float64)
    high = np.array([dimension.high for dimension in scheme.dimensions], dtype=np.float64)
    return low, high - low


def check_dimensions(train: LabelledClips, scheme: Scheme) -> None:
    """Refuse training labels from which a dimension cannot be learned. Nothing to check without dimensions.

    Raises:
        TargetError: the clips carry values but the scheme no ranges, or the other way round; as many columns as there
            are not dimensions; a value outside its range; a dimension without a value, or whose values are all the
            same, so that CCC is 0 whatever is predicted. The sentence names dimension and clip.
    """
    if train.dimensions is None:
        if scheme.dimensions:
            names = ", ".join(dimension.name for dimension in scheme.dimensions)
            raise TargetError(f"the training clips have no dimensions, the scheme has {names}: label them")
        return
    if not scheme.dimensions:
        raise TargetError("the clips have values of dimensions, the scheme no ranges: give it dimensions")
    if train.dimensions.shape[1] != len(scheme.dimensions):
        raise TargetError(
            f"the clips have {train.dimensions.shape[1]} dimensions, the scheme {len(scheme.dimensions)}: give one "
            "column a dimension"
        )
    for dimension, values in zip(scheme.dimensions, train.dimensions.T, strict=True):
        _check_values(dimension, values, train.clips)


def _check_values(dimension: Dimension, values: Floats, clips: Sequence[Clip]) -> None:
    # A float32 value of the range's own end may lie just beyond it.
    outside = (values < np.float32(dimension.low)) | (values > np.float32(dimension.high))
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        raise TargetError(
            f"{dimension.name} of clip {clips[at].key} is {values[at]:g}: the scheme's range is {dimension.low:g} to "
            f"{dimension.high:g}"
        )
    known = values[np.isfinite(values)]
    if len(known) == 0:
        raise TargetError(f"no training clip has a value of {dimension.name}: label some, or leave the dimension out")
    if known.min() == known.max():
        raise TargetError(
            f"every training value of {dimension.name} is {known[0]:g}: CCC is not defined on a constant; label clips "
            "that differ"
        )


def labels_digest(keys: Sequence[str], targets: Floats, dimensions: Floats | None = None) -> str:
    """sha256 over (clip key, distribution, dimensions), in any order: tells whether two runs saw the same labels."""
    rows = [f"{key} {_hex(row)}" for key, row in zip(keys, targets, strict=True)]
    if dimensions is not None:
        rows = [f"{row} {_hex(values)}" for row, values in zip(rows, dimensions, strict=True)]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def _hex(row: Floats) -> str:
    return row.astype("<f4").tobytes().hex()
