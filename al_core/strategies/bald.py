"""BALD: clips on which dropout's classifiers are sure of themselves and disagree with each other."""

from numpy.random import Generator

from al_core.pool import PoolView, Selection
from al_core.ranking import highest
from al_core.strategies.disagreement import mutual_information
from al_core.strategies.inputs import dropout_probabilities


def select(pool: PoolView, n: int, rng: Generator) -> Selection:
    """The n clips of largest mutual information I(y; w) = H(E_w p) − E_w H(p), over S dropout passes w.

    Reference: Houlsby et al., *Bayesian active learning for classification and preference learning*, arXiv:1112.5745;
    Gal, Islam & Ghahramani, *Deep Bayesian active learning with image data*, ICML 2017, for dropout as w.

    Raises:
        StrategyError: there are no dropout passes, or one is not finite.
    """
    return highest(mutual_information(dropout_probabilities(pool)), n, rng)
