"""BatchBALD: the batch whose labels together would tell most about the classifier."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.disagreement import conditional_entropy, mutual_information
from al_core.strategies.inputs import Doubles, dropout_probabilities

_MOST_CONFIGURATIONS = 1024  # of the batch's labels; above, so many are drawn
_CANDIDATES = 256  # of largest BALD, or twice the batch
_AT_ONCE = 64  # candidates whose joint entropy is computed together


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions, each time the clip of largest I(y_1 … y_k; w) = H(y_1 … y_k) − Σ_i E_w H(y_i | w), greedily.

    w are the S dropout passes, under each of which labels are independent: p(y_1 … y_k) = mean_w Π_i p(y_i | w). Up to
    1,024 configurations of the chosen clips' labels the joint entropy is exact; beyond, as many are drawn from p and
    weighted, as in the paper. Candidates are the 256 clips of largest BALD, or 2 n (ours: joint information is at most
    the sum of its parts). S passes tell at most ln S nats apart, so far into a batch all candidates are nearly equal.
    The score is what the pick adds to the information of the batch.

    Reference: Kirsch, van Amersfoort & Gal, *BatchBALD*, NeurIPS 2019, sections 3.1 and 3.3.

    Raises:
        StrategyError: there are no dropout passes, or one is not finite.
    """
    samples = dropout_probabilities(pool)  # (n', S, c)
    candidates = highest(mutual_information(samples), min(max(_CANDIDATES, 2 * n), len(pool)), rng).positions
    p = samples[candidates]  # (b, S, c)
    alone = conditional_entropy(p)
    joint = np.ones((1, p.shape[1]))  # (configurations, S): probability of each under each pass
    weights = np.ones(1)  # what a configuration stands for, Σ weights · mean_w joint = 1
    positions, scores = np.empty(n, np.int64), np.empty(n, np.float32)
    information, conditional = 0.0, 0.0
    left = np.ones(len(candidates), bool)
    for i in range(n):
        values = _joint_entropies(joint, weights, p) - alone - conditional
        values[~left] = -np.inf
        pick = int(values.argmax())
        positions[i], scores[i] = candidates[pick], values[pick] - information
        information, conditional = float(values[pick]), conditional + float(alone[pick])
        left[pick] = False
        joint, weights = _with(joint, weights, p[pick], rng)
    return Selection(positions, scores)


def _joint_entropies(joint: Doubles, weights: Doubles, p: Doubles) -> Doubles:
    """(b,) H(y_1 … y_k, y_i) of each candidate i in nats; joint (m, S), weights (m,), p (b, S, c)."""
    entropies = np.empty(len(p))
    for start in range(0, len(p), _AT_ONCE):
        block = p[start : start + _AT_ONCE]
        flat = block.transpose(1, 0, 2).reshape(p.shape[1], -1)  # (S, b c)
        together = (joint @ flat) / p.shape[1]  # (m, b c): p(configuration, y_i)
        together *= -np.log(np.maximum(together, 1e-300))  # −q ln q, five times as fast as scipy's entr
        entropies[start : start + len(block)] = (weights @ together).reshape(len(block), -1).sum(axis=1)
    return entropies


def _with(joint: Doubles, weights: Doubles, p: Doubles, rng: Generator) -> tuple[Doubles, Doubles]:
    """Configurations of one clip more, p (S, c): all of them, or as many as are bearable, drawn and weighted.

    A drawn configuration stands for 1 / (draws · its probability) of its like, so that weighted sums over the drawn
    estimate sums over all. One is drawn from each of as many equal shares of the probability, which adds least noise.
    """
    longer = (joint[:, :, None] * p).transpose(0, 2, 1).reshape(-1, len(p))  # (m c, S)
    longer_weights = np.repeat(weights, p.shape[1])
    if len(longer) <= _MOST_CONFIGURATIONS:
        return longer, longer_weights
    mass = longer_weights * longer.mean(axis=1)
    steps = (np.arange(_MOST_CONFIGURATIONS) + rng.random(_MOST_CONFIGURATIONS)) / _MOST_CONFIGURATIONS
    drawn = np.searchsorted(np.cumsum(mass) / mass.sum(), steps).clip(max=len(mass) - 1)
    return longer[drawn], longer_weights[drawn] * mass.sum() / (_MOST_CONFIGURATIONS * mass[drawn])
