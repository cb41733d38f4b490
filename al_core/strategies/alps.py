"""ALPs for speech: clips that surprise the self-supervised encoder in different ways, before any label."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.strategies.clustering import most_central
from al_core.strategies.errors import StrategyError
from al_core.strategies.rows import Rows


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """n positions: k-means into n clusters over unit-length loss profiles, the most central clip of each.

    A profile holds the losses of the self-supervised objective on one clip under p masks: where the encoder fails to
    guess what it does not hear. In the paper those are the losses of masked words, here of masked stretches of speech
    (ours). The score is 1 / (1 + distance to the centre).

    Reference: Yuan, Lin & Boyd-Graber, *Cold-start active learning through self-supervised language modeling*, EMNLP
    2020; AFTER (arXiv:2310.00283) for its use on speech.

    Raises:
        StrategyError: there is no profile, or one is not finite.
    """
    if pool.loss_profile is None:
        raise StrategyError("alps reads self-supervised loss profiles, the pool has none: fill it with `profiled`")
    rows = Rows((pool.loss_profile,), unit=True)
    broken = Rows((pool.loss_profile,)).not_finite()
    if broken is not None:
        raise StrategyError(f"the loss profile at position {broken} holds NaN or infinite values: compute it again")
    return most_central(rows, n, rng)
