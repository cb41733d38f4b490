"""CCC and RMSE of one dimension with intervals over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from al_core.evaluation.bootstrap import Doubles, interval, resampled, resampling_units, sums_by_unit
from al_core.evaluation.metrics import ccc, rmse
from al_core.pool import Floats


@dataclass(frozen=True, slots=True)
class DimensionFigures:
    """Figures of one dimension; `low` and `high` bound the 95 % percentile interval of the bootstrap.

    Attributes:
        name: of the dimension.
        ccc: concordance correlation coefficient.
        rmse: root mean squared error, on the dimension's own scale.
        n: clips with a value.
    """

    name: str
    ccc: float
    ccc_low: float
    ccc_high: float
    rmse: float
    rmse_low: float
    rmse_high: float
    n: int


def dimension_figures(
    name: str, predicted: Floats, truth: Floats, speakers: Sequence[str | None], seed: int, resamples: int
) -> DimensionFigures:
    """Figures of n clips whose values differ.

    Args:
        name: of the dimension.
        predicted: (n,) predictions.
        truth: (n,) labels.
        speakers: n names, None where unknown.
        seed, resamples: of the bootstrap.
    """
    x, y = truth.astype(np.float64), predicted.astype(np.float64)
    # About one centre: sums of squares of values far from 0 would cancel. CCC and RMSE do not change.
    x, y = x - truth.mean(dtype=np.float64), y - truth.mean(dtype=np.float64)
    columns = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)  # (n, 6)
    sums = sums_by_unit(resampling_units(speakers), columns)
    drawn = [_figures(piece) for piece in resampled(sums, seed, resamples)]
    concordance, error = (interval(figure) for figure in zip(*drawn, strict=True))
    return DimensionFigures(
        name=name,
        ccc=ccc(truth, predicted),
        ccc_low=concordance.low,
        ccc_high=concordance.high,
        rmse=rmse(truth, predicted),
        rmse_low=error.low,
        rmse_high=error.high,
        n=len(truth),
    )


def _figures(drawn: Doubles) -> tuple[Doubles, Doubles]:
    """(r, 6) sums of 1, x, y, x², y², xy → CCC and RMSE of each resample, (r,) each."""
    n, x, y, xx, yy, xy = drawn.T
    squared = np.maximum(xx + yy - 2 * xy, 0) / n  # E (x − y)²
    covariance = xy / n - x * y / n**2
    # var x + var y + (mean x − mean y)² is E (x − y)² + 2 cov.
    spread = squared + 2 * covariance
    # Clips that all have one label, predicted exactly: 0 / 0.
    exists = spread > 1e-12
    return np.where(exists, 2 * covariance / np.where(exists, spread, 1), np.nan), np.sqrt(squared)
