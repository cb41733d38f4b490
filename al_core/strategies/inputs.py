"""What strategies read from a pool, checked once: what must be there is there, and its numbers are finite."""

import numpy as np
from numpy.typing import NDArray

from al_core.pool import Floats, PoolView
from al_core.strategies.errors import StrategyError
from al_core.strategies.rows import Rows, fastest_device

Doubles = NDArray[np.float64]


def trained_probabilities(pool: PoolView) -> Doubles:
    """The (n, c) class probabilities in double precision.

    Raises:
        StrategyError: no classifier has been trained yet, or a probability is NaN or infinite.
    """
    if pool.probabilities is None:
        raise StrategyError("this strategy needs a trained classifier: label a seed set first (round 0)")
    return _finite("probabilities", pool.probabilities)


def dropout_probabilities(pool: PoolView) -> Doubles:
    """The (n, S, c) class probabilities of S dropout passes, in double precision.

    Raises:
        StrategyError: no classifier has been trained yet, nobody ran the passes, or one gave NaN.
    """
    trained_probabilities(pool)
    if pool.samples is None:
        raise StrategyError("this strategy reads dropout passes and the pool has none: fill PoolView.samples")
    return _finite("probabilities of dropout passes", pool.samples)


def predicted_dimensions(pool: PoolView) -> Doubles:
    """The (n, k) predicted dimensions on the unit scale, in double precision.

    Raises:
        StrategyError: no classifier has been trained yet, or it predicts no dimensions, or one is NaN.
    """
    if pool.dimensions is None:
        raise StrategyError(
            "this strategy needs a trained classifier of dimensions: label a seed set first (round 0), in a scheme "
            "with dimensions"
        )
    return _finite("dimensions", pool.dimensions)


def dropout_dimensions(pool: PoolView) -> Doubles:
    """The (n, S, k) predicted dimensions of S dropout passes on the unit scale, in double precision.

    Raises:
        StrategyError: no classifier has been trained yet, nobody ran the passes, or one gave NaN.
    """
    predicted_dimensions(pool)
    if pool.dimension_samples is None:
        raise StrategyError("this strategy reads dropout passes and the pool has none: fill PoolView.dimension_samples")
    return _finite("dimensions of dropout passes", pool.dimension_samples)


def finite_rows(pool: PoolView, unit: bool = False) -> tuple[Rows, Rows]:
    """Embeddings of the pool and of the labelled clips, to be read in blocks; nothing is copied.

    Args:
        pool: of the round.
        unit: whether rows are divided by their lengths.

    Raises:
        StrategyError: an embedding is NaN or infinite.
    """
    device = fastest_device()
    own = Rows((pool.embeddings,), unit, device)
    labelled = Rows((pool.labelled_embeddings.reshape(-1, pool.embeddings.shape[1]),), unit, device)
    for name, rows in (("pool", own), ("labelled clips", labelled)):
        if rows.not_finite() is not None:
            raise StrategyError(f"embeddings of the {name} hold NaN or infinite values: embed these clips again")
    return own, labelled


def finite_embeddings(pool: PoolView) -> tuple[Floats, Floats]:
    """Embeddings of the pool (n, d) and of the labelled clips (m, d), C-contiguous float32.

    float32 arrays are passed through; float16, also memory-mapped, is copied once: `finite_rows` copies nothing.

    Raises:
        StrategyError: an embedding is NaN or infinite.
    """
    own, labelled = finite_rows(pool)
    return np.ascontiguousarray(own.parts[0], np.float32), np.ascontiguousarray(labelled.parts[0], np.float32)


def _finite(name: str, values: NDArray[np.floating]) -> Doubles:
    checked = np.asarray(values, dtype=np.float64)
    broken = ~np.isfinite(checked).all(axis=tuple(range(1, checked.ndim)))
    if broken.any():
        raise StrategyError(
            f"{broken.sum()} of {len(checked)} clips have NaN or infinite {name} (first at position "
            f"{int(broken.argmax())}): train the classifier again"
        )
    return checked
