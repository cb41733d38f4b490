"""A full sort with ties in random order."""

import numpy as np
from numpy.random import default_rng

from al_core.ranking import highest


def test_the_largest_values_come_first() -> None:
    values = default_rng(0).permutation(1000).astype(float)
    chosen = highest(values, 100, default_rng(1))
    assert chosen.scores.tolist() == list(range(999, 899, -1))
    np.testing.assert_array_equal(values[chosen.positions], chosen.scores)


def test_every_one_of_equal_values_is_taken_equally_often() -> None:
    rng = default_rng(0)
    first = [int(highest(np.ones(4), 1, rng).positions[0]) for _ in range(4000)]
    assert np.bincount(first, minlength=4).min() > 850
