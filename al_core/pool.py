"""What a query strategy may see: the pool, never its labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool of a round as arrays, row i of each belonging to clip i.

    There is no field for a pool label, so no strategy can read one.

    Attributes:
        embeddings: (n, d) float32, as the probe sees them (speaker-normalised when the recipe says so).
        probabilities: (n, c) float32, rows summing to 1; None before any label exists.
        labelled_embeddings: (m, d) float32 of the clips already labelled in this arm; m may be 0.
        labelled_classes: (m,) int64, positions in the scheme.
        n_classes: c, the length of the scheme, also where some class has no label yet.
        durations_s: (n,) float32, seconds of audio.
    """

    embeddings: Floats
    probabilities: Floats | None
    labelled_embeddings: Floats
    labelled_classes: Ints
    n_classes: int
    durations_s: Floats

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


@dataclass(frozen=True, slots=True)
class Selection:
    """What a strategy chose: positions in the pool, best first, and the score each was chosen by (higher is better)."""

    positions: Ints  # (k,)
    scores: Floats  # (k,)
