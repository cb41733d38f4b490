"""DropQuery: central clips among those whose guess dropout overturns."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies.clustering import most_central
from al_core.strategies.inputs import dropout_probabilities, finite_rows, trained_probabilities
from al_core.strategies.rows import Rows


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions: of the clips whose guess more than half of the S dropout passes contradict, the most central.

    These candidates are parted into n clusters by k-means and the clip nearest to each centre is taken. Where they are
    fewer than n, the clips contradicted most come with them, equals in random order. The score is 1 / (1 + distance to
    the centre). A pass drops the same columns of every clip (ours: the paper drops each clip's own).

    Reference: Gupte et al., *Revisiting active learning in the era of vision foundation models*, TMLR 2024, section 4.

    Raises:
        StrategyError: there are no dropout passes, or a value is not finite.
    """
    guesses = trained_probabilities(pool).argmax(axis=1)  # (n,)
    contradicted = (dropout_probabilities(pool).argmax(axis=2) != guesses[:, None]).mean(axis=1)
    own, _ = finite_rows(pool)
    shuffled = rng.permutation(len(pool))
    most_first = shuffled[np.argsort(-contradicted[shuffled], kind="stable")]
    candidates = np.sort(most_first[: max(n, int((contradicted > 0.5).sum()))])
    found = most_central(Rows((own.take(candidates),), device=own.device), n, rng)
    return Selection(candidates[found.positions], found.scores, found.clusters)
