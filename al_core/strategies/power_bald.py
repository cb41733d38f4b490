"""PowerBALD: BALD drawn with chance, because its n best are often one doubt n times."""

import numpy as np
from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.disagreement import mutual_information
from al_core.strategies.inputs import dropout_probabilities


def select(pool: PoolView, n: int, rng: Generator, power: float = 1.0) -> Selection:
    """n positions without replacement, each with weight I(y; w)^power, as the n largest of power · ln I + Gumbel noise.

    A clip on which all passes agree has weight 0 and comes last. The score is power · ln I + noise, with ln 1e-12 for
    ln 0.

    Reference: Kirsch et al., *Stochastic batch acquisition: a simple baseline for deep active learning*, TMLR 2023,
    section 3 (power acquisition).

    Raises:
        StrategyError: there are no dropout passes, or one is not finite.
    """
    information = np.maximum(mutual_information(dropout_probabilities(pool)), 1e-12)
    return highest(power * np.log(information) + rng.gumbel(size=len(pool)), n, rng)
