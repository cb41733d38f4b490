"""How much dropout passes disagree: the mutual information that the BALD family reads."""

import numpy as np
from scipy.special import entr

from al_core.strategies.inputs import Doubles


def mutual_information(samples: Doubles) -> Doubles:
    """(n,) I(y; w) = H(E_w p(y | w)) − E_w H(p(y | w)) in nats, at least 0, of (n, S, c) probabilities.

    Reference: Houlsby et al., *Bayesian active learning for classification and preference learning*, arXiv:1112.5745.
    """
    total = entr(samples.mean(axis=1)).sum(axis=1)
    information: Doubles = np.maximum(total - conditional_entropy(samples), 0)
    return information


def conditional_entropy(samples: Doubles) -> Doubles:
    """(n,) E_w H(p(y | w)) in nats."""
    each: Doubles = entr(samples).sum(axis=2).mean(axis=1)
    return each
