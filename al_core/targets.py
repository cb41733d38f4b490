"""What a classifier is trained on: clips with labels or label distributions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_core.features import Clip
from al_core.scheme import Scheme

Floats = NDArray[np.float32]


class TargetError(ValueError):
    """Targets that are no distributions over the scheme's classes."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClips:
    """Clips, and the label of each as a distribution over the scheme's classes.

    Attributes:
        clips: n clips.
        targets: (n, c) float32, rows summing to 1: one-hot for a label, soft where annotators differ.

    Raises:
        TargetError: shapes that do not fit, or a row that is no distribution; the sentence names the clip.
    """

    clips: tuple[Clip, ...]
    targets: Floats

    def __post_init__(self) -> None:
        if self.targets.ndim != 2 or len(self.targets) != len(self.clips):
            raise TargetError(f"targets {self.targets.shape} do not fit {len(self.clips)} clips: give one row a clip")
        rows_sum_to_one = np.isclose(self.targets.sum(axis=1), 1.0, atol=1e-4)
        bad = ~rows_sum_to_one | (self.targets < 0).any(axis=1)
        if bad.any():
            key = self.clips[int(np.flatnonzero(bad)[0])].key
            raise TargetError(f"the target of clip {key} is no distribution: its row must be ≥ 0 and sum to 1")

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


def labels_digest(keys: Sequence[str], targets: Floats) -> str:
    """sha256 over (clip key, distribution) pairs, whatever their order: tells whether two runs saw the same labels."""
    rows = sorted(zip(keys, (row.astype("<f4").tobytes().hex() for row in targets), strict=True))
    return hashlib.sha256("\n".join(f"{key} {row}" for key, row in rows).encode()).hexdigest()
