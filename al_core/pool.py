"""What a query strategy may see: the pool, never its labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_PER_CLIP = ("probabilities", "durations_s", "samples", "dimensions", "dimension_samples", "loss_profile")


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool of a round as arrays, row i of each belonging to clip i.

    There is no field for a pool label, so no strategy can read one. What is optional is there when the caller has it;
    a strategy that needs it and does not find it says so.

    Attributes:
        embeddings: (n, d) float32, as the probe sees them (speaker-normalised when the recipe says so).
        probabilities: (n, c) float32, rows summing to 1; None before any label exists.
        labelled_embeddings: (m, d) float32 of the clips already labelled in this arm; m may be 0.
        labelled_classes: (m,) int64, positions in the scheme.
        n_classes: c, the length of the scheme, also where some class has no label yet.
        durations_s: (n,) float32, seconds of audio.
        samples: (n, S, c) float32, the probabilities of S dropout passes, each pass one classifier for all clips.
        n_dimensions: k, the dimensions of the scheme.
        dimensions: (n, k) float32, predicted values on the unit scale; None before any label exists.
        dimension_samples: (n, S, k) float32, the same by S dropout passes.
        labelled_dimensions: (m, k) float32 on the unit scale, NaN where unknown; None where nobody filled it.
        loss_profile: (n, p) float32, self-supervised losses of each clip under p masks.
        groups: column ("speaker", "session", "sentence", "near_duplicate") → (n,) int64 codes, −1 where unknown.
    """

    embeddings: Floats
    probabilities: Floats | None
    labelled_embeddings: Floats
    labelled_classes: Ints
    n_classes: int
    durations_s: Floats
    samples: Floats | None = None
    n_dimensions: int = 0
    dimensions: Floats | None = None
    dimension_samples: Floats | None = None
    labelled_dimensions: Floats | None = None
    loss_profile: Floats | None = None
    groups: Mapping[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.embeddings)

    def __post_init__(self) -> None:
        n = len(self.embeddings)
        if self.probabilities is not None and self.probabilities.shape != (n, self.n_classes):
            raise ValueError(
                f"probabilities {self.probabilities.shape} do not fit {n} clips × {self.n_classes} classes"
            )
        if len(self.durations_s) != n:
            raise ValueError(f"{len(self.durations_s)} durations for a pool of {n}")
        if len(self.labelled_embeddings) != len(self.labelled_classes):
            raise ValueError("labelled embeddings and classes differ in length")
        columns = {name: getattr(self, name) for name in _PER_CLIP} | dict(self.groups)
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise ValueError(f"{name} has {len(column)} rows for a pool of {n}")

    def part(self, positions: Ints | slice, taken: Ints) -> "PoolView":
        """The pool of these positions alone; the clips at `taken` count as labelled by what is predicted of them.

        A wrapper asks its inner strategy again with what it has already: those clips are covered ground. A slice copies
        no row of the pool.
        """
        kept: dict[str, Any] = {
            name: None if (rows := getattr(self, name)) is None else rows[positions] for name in _PER_CLIP
        }
        guessed = np.zeros(len(taken), np.int64)
        if self.probabilities is not None and self.n_classes:
            guessed = self.probabilities[taken].argmax(axis=1).astype(np.int64)
        values = self.labelled_dimensions
        if values is not None:
            own = (
                self.dimensions[taken]
                if self.dimensions is not None
                else np.full((len(taken), values.shape[1]), np.nan)
            )
            values = np.concatenate([values, own]).astype(np.float32)
        return replace(
            self,
            embeddings=self.embeddings[positions],
            labelled_embeddings=np.concatenate(
                [self.labelled_embeddings.reshape(-1, self.embeddings.shape[1]), self.embeddings[taken]]
            ),
            labelled_classes=np.concatenate([self.labelled_classes, guessed]),
            labelled_dimensions=values,
            groups={name: codes[positions] for name, codes in self.groups.items()},
            **kept,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """What a strategy chose: positions in the pool, best first, and the score each was chosen by (higher is better).

    Attributes:
        clusters: (k,) int64, the cluster each was chosen from, where the strategy clusters; numbers mean nothing else.
    """

    positions: Ints  # (k,)
    scores: Floats  # (k,)
    clusters: Ints | None = None
