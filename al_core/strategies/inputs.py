"""What strategies read from a pool, checked once: probabilities that exist and are finite, embeddings as float32."""

import numpy as np
from numpy.typing import NDArray

from al_core.pool import Floats, PoolView
from al_core.strategies.specs import StrategyError


def trained_probabilities(pool: PoolView) -> NDArray[np.float64]:
    """The (n, c) class probabilities in double precision.

    Raises:
        StrategyError: no classifier has been trained yet, or a probability is NaN or infinite.
    """
    if pool.probabilities is None:
        raise StrategyError("this strategy needs a trained classifier: label a seed set first (round 0)")
    probabilities = np.asarray(pool.probabilities, dtype=np.float64)
    broken = ~np.isfinite(probabilities).all(axis=1)
    if broken.any():
        raise StrategyError(
            f"{broken.sum()} of {len(pool)} clips have NaN or infinite probabilities (first at position "
            f"{int(broken.argmax())}): train the classifier again"
        )
    return probabilities


def finite_embeddings(pool: PoolView) -> tuple[Floats, Floats]:
    """Embeddings of the pool (n, d) and of the labelled clips (m, d), C-contiguous float32.

    float32 arrays are passed through; float16, also memory-mapped, is copied once.

    Raises:
        StrategyError: an embedding is NaN or infinite.
    """
    own = np.ascontiguousarray(pool.embeddings, dtype=np.float32)
    labelled = np.ascontiguousarray(pool.labelled_embeddings, dtype=np.float32).reshape(-1, own.shape[1])
    for name, array in (("pool", own), ("labelled clips", labelled)):
        if not np.isfinite(array.sum(axis=1, dtype=np.float64)).all():
            raise StrategyError(f"embeddings of the {name} hold NaN or infinite values: embed these clips again")
    return own, labelled
