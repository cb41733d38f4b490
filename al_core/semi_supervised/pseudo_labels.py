"""Pseudo-labels: the classifier's own guesses, believed a little more widely in every iteration."""

from al_core.pool import Floats
from al_core.semi_supervised.belief import Believed, most_confident
from al_core.semi_supervised.specs import PseudoLabels


def pseudo_labels(finish: PseudoLabels, probabilities: Floats, iteration: int) -> Believed:
    """What the i-th iteration (from 1) believes of clips that the classifier before it gives probabilities (n, c)."""
    return most_confident(probabilities, finish.share * iteration / finish.iterations, finish.weight)
