"""Ranked batch: modAL's picks without modAL's cost."""

import numpy as np
import pytest
from modAL.batch import ranked_batch
from numpy.random import default_rng

from al_core.pool import PoolView
from al_core.strategies.query import query
from al_core.strategies.specs import RankedBatch


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("m", [1, 15, 400])
def test_the_picks_are_modal_s(seed: int, m: int, a_pool) -> None:
    """Few labels weigh unlikeness, many doubt."""
    pool: PoolView = a_pool(seed, m=m)
    assert pool.probabilities is not None

    class Bare:
        X_training = pool.labelled_embeddings
        on_transformed = False

    uncertainty = 1 - pool.probabilities.astype(np.float64).max(axis=1)
    theirs, _ = ranked_batch(Bare(), pool.embeddings, uncertainty, 40, "euclidean", None)
    np.testing.assert_array_equal(query(RankedBatch(), pool, 40, default_rng(0)).positions, theirs)


def test_without_a_label_the_first_is_the_clip_nearest_the_mean(a_pool) -> None:
    pool: PoolView = a_pool(0, m=0)
    chosen = query(RankedBatch(), pool, 5, default_rng(0)).positions
    to_mean = np.linalg.norm(pool.embeddings - pool.embeddings.mean(axis=0), axis=1)
    assert chosen[0] == to_mean.argmin()
