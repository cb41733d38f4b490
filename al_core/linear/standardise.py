"""Standardisation: every column of embeddings centred, in its own standard deviations."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from al_core.targets import Floats

Doubles = NDArray[np.float64]


class Standard(NamedTuple):
    """x ↦ (x − mean) / scale, column by column. Both (d,) float32; `scale` is 1 where a column is constant."""

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, X: Floats) -> Self:
        """Mean and population standard deviation of the columns of X, (n, d) with n ≥ 1."""
        scale = X.std(axis=0, dtype=np.float64)
        mean = X.mean(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), np.where(scale > 1e-8, scale, 1.0).astype(np.float32))

    @classmethod
    def of_moments(cls, mean: Doubles, mean_of_squares: Doubles) -> Self:
        """From E x and E x² of every column, (d,) each: of rows that are too many to hold."""
        scale = np.sqrt(np.maximum(mean_of_squares - mean**2, 0))
        return cls(mean.astype(np.float32), np.where(scale > 1e-8, scale, 1.0).astype(np.float32))
