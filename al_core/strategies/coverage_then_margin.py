"""Coverage first, margin later, never the same doubt twice: the default schedule."""

import numpy as np
from numpy.random import Generator
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from al_core.pool import PoolView, Selection
from al_core.strategies import margin, typiclust
from al_core.strategies.inputs import finite_rows


def select(
    pool: PoolView, n: int, rng: Generator, coverage_per_class: float = 1.0, candidates_per_pick: int = 4
) -> Selection:
    """TypiClust while fewer than `coverage_per_class` · c labels are there or no classifier is; margin from then on.

    Uncertainty of a classifier trained on a handful of clips is noise, so the first labels buy coverage. Later, the
    clips of smallest margin resemble each other, and labels of near-copies are wasted: k-means parts the
    `candidates_per_pick` · n clips of smallest margin into n clusters, and the smallest margin of each is taken. With 1
    candidate a pick that is plain margin. The score is TypiClust's, later margin's.

    Reference: Doucet et al., *Bridging diversity and uncertainty in active learning with self-supervised pre-training*
    (TCM), arXiv:2403.03728, for the schedule; Zhdanov, *Diverse mini-batch active learning*, arXiv:1901.05954, for the
    prefiltered k-means. The most uncertain clip of a cluster instead of its most central one is ours.

    Raises:
        StrategyError: an embedding or a probability is not finite.
    """
    covered = len(pool.labelled_classes) >= coverage_per_class * pool.n_classes
    if pool.probabilities is None or not covered:
        return typiclust.select(pool, n, rng)
    return _spread_margin(pool, n, rng, candidates_per_pick)


def _spread_margin(pool: PoolView, n: int, rng: Generator, candidates_per_pick: int) -> Selection:
    """The smallest margin of each of n clusters among the candidates, smallest first."""
    candidates = margin.select(pool, min(candidates_per_pick * n, len(pool)), rng)
    if len(candidates.positions) == n:
        return candidates
    embeddings, _ = finite_rows(pool)
    seed = int(rng.integers(2**31))
    with threadpool_limits(1):  # sums over threads differ from run to run
        clusters = KMeans(n, n_init=1, random_state=seed).fit_predict(embeddings.take(candidates.positions))
    _, best_of_each = np.unique(clusters, return_index=True)
    others = np.setdiff1d(np.arange(len(clusters)), best_of_each)  # needed where copies leave a cluster empty
    ranks = np.sort(np.concatenate([best_of_each, others])[:n])
    return Selection(candidates.positions[ranks], candidates.scores[ranks], clusters[ranks].astype(np.int64))
