"""Covering radius: how far the worst covered clip of a pool is from anything labelled or chosen."""

import numpy as np

from al_core.pool import Ints, PoolView
from al_core.strategies.errors import StrategyError
from al_core.strategies.inputs import finite_rows


def coverage_radius(pool: PoolView, chosen: Ints) -> float:
    """max_i min_{j ∈ labelled ∪ chosen} ‖x_i − x_j‖ over all clips i of the pool; 0 for an empty pool.

    What core-set makes small (Sener & Savarese, ICLR 2018): the ratio of two batches' radii says how much coverage one
    gives up, as a batch chosen in shards does. The pool is read in blocks, twice, and each row compared with all
    centres: O(n (m + k) d), about the cost of the search itself, so no round measures it unasked.

    Args:
        pool: of the round, n clips and m labelled ones.
        chosen: (k,) positions in the pool.

    Raises:
        StrategyError: nothing is labelled or chosen, or an embedding is not finite.
    """
    if len(pool) == 0:
        return 0.0
    if len(chosen) + len(pool.labelled_embeddings) == 0:
        raise StrategyError("no clip is labelled or chosen, so none covers the pool: choose a batch first")
    own, labelled = finite_rows(pool)
    centres = np.concatenate([labelled.take(np.arange(len(labelled))), own.take(chosen)])
    return float(np.sqrt(own.nearest(centres)[0].max()))
