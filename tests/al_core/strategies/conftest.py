"""A pool of clips around nine centres, for the referees of the strategies."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import default_rng

from al_core.pool import PoolView

MakePool = Callable[..., PoolView]


@pytest.fixture(scope="session")
def a_pool() -> MakePool:
    """`a_pool(seed, n=300, m=15)`: everything a strategy may read, made up."""
    return _a_pool


def _a_pool(seed: int, n: int = 300, m: int = 15, c: int = 5, d: int = 10, passes: int = 6) -> PoolView:
    rng = default_rng(seed)
    together = rng.normal(size=(9, d))[rng.integers(9, size=n + m)] * 2 + rng.normal(size=(n + m, d))
    logits = rng.normal(size=(n, 1, c)) * 2 + rng.normal(size=(n, passes, c))
    samples = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    values = rng.uniform(size=(n, passes, 2))
    return PoolView(
        embeddings=together[:n].astype(np.float32),
        probabilities=samples.mean(axis=1).astype(np.float32),
        labelled_embeddings=together[n:].astype(np.float32),
        labelled_classes=rng.integers(c, size=m),
        n_classes=c,
        durations_s=rng.uniform(1, 6, n).astype(np.float32),
        samples=samples.astype(np.float32),
        n_dimensions=2,
        dimensions=values.mean(axis=1).astype(np.float32),
        dimension_samples=values.astype(np.float32),
        labelled_dimensions=rng.uniform(size=(m, 2)).astype(np.float32),
        loss_profile=rng.gamma(2, size=(n, 6)).astype(np.float32),
        groups={
            "speaker": rng.integers(6, size=n),
            "session": rng.integers(3, size=n),
            "sentence": rng.integers(20, size=n),
        },
    )
