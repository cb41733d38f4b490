"""Draw by weights that are known from above: the kernel of k-means++ without reading the pool for every pick."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from al_core.pool import Floats, Ints, Selection

Doubles = NDArray[np.float64]
Since = Callable[[Ints, Ints], Floats]

_BLOCK = 1024  # weights summed together
_TRIES = 256  # refused clips of one pick after which all weights are brought up to date


class Weights:
    """Upper bounds of weights, drawn from in O(√n) each.

    Attributes:
        bounds: (n,) float64.
    """

    def __init__(self, bounds: Doubles) -> None:
        self.bounds = bounds
        self._sums = np.add.reduceat(bounds, np.arange(0, len(bounds), _BLOCK))

    def draw(self, rng: Generator) -> int | None:
        """A position with probability proportional to its bound; None when all are 0."""
        cumulative = np.cumsum(self._sums)
        if not cumulative[-1] > 0:
            return None
        aim = rng.random() * cumulative[-1]
        block = min(int(np.searchsorted(cumulative, aim, side="right")), len(cumulative) - 1)
        start = block * _BLOCK
        inside = np.cumsum(self.bounds[start : start + _BLOCK])
        aim -= cumulative[block] - self._sums[block]
        return start + min(int(np.searchsorted(inside, aim, side="right")), len(inside) - 1)

    def lower(self, position: int, bound: float) -> None:
        """Put a smaller bound."""
        self.bounds[position] = bound
        block = position // _BLOCK
        self._sums[block] = self.bounds[block * _BLOCK : (block + 1) * _BLOCK].sum()


def squares_draw(squares: Floats, since: Since, n: int, rng: Generator) -> Selection:
    """k-means++ (Arthur & Vassilvitskii, 2007): the largest square first, then drawn by squared distance to the chosen.

    Squared distances to the nearest chosen only fall, so one from earlier is a bound from above. A clip is proposed
    with probability proportional to its bound and accepted with probability distance ÷ bound: that is a draw
    proportional to the distance itself, and costs the distances of what was proposed instead of the whole pool's.

    Reference: rejection sampling for k-means++ as in Cohen-Addad et al., *Fast and accurate k-means++ via rejection
    sampling*, NeurIPS 2020, here with exact distances.

    Args:
        squares: (n,) ‖g‖² of every clip.
        since: (positions, chosen) → least squared distance of each position to the chosen.
        n: at least 1, at most len(squares).
        rng: one number a proposal and one to accept it; ties of the largest first square are broken by position.

    Returns:
        Positions in the order drawn; the score is the squared distance, of the first ‖g‖².
    """
    draws = _Draws(squares, since)
    while len(draws.chosen) < n:
        draws.pick(rng)
    return Selection(np.array(draws.chosen, np.int64), np.array(draws.scores, np.float32))


class _Draws:
    """The pool while it is drawn from.

    Attributes:
        chosen, scores: so far, and the squared distance each was drawn at.
        seen: (n,) how many of the chosen are in a clip's bound.
    """

    def __init__(self, squares: Floats, since: Since) -> None:
        self.since = since
        self.everything = np.arange(len(squares))
        self.chosen, self.scores = [int(squares.argmax())], [float(squares.max())]
        self.seen = np.ones(len(squares), np.int64)
        self._weights = Weights(self._left(since(self.everything, np.array(self.chosen))))

    def pick(self, rng: Generator) -> None:
        """Propose by bounds until one is accepted; copies of what is chosen have weight 0 and come last, at random."""
        tries = 0
        while (clip := self._weights.draw(rng)) is not None:
            bound = self._weights.bounds[clip]
            distance = self._distance(clip)
            if rng.random() * bound < distance:
                self._take(clip, distance)
                return
            self._weights.lower(clip, distance)
            tries += 1
            if tries % _TRIES == 0:
                self._refresh()
        self._take(int(rng.choice(np.setdiff1d(self.everything, self.chosen))), 0.0)

    def _take(self, clip: int, distance: float) -> None:
        self.chosen.append(clip)
        self.scores.append(distance)
        self._weights.lower(clip, 0.0)

    def _distance(self, clip: int) -> float:
        """A clip's squared distance to the nearest chosen, from its bound and those it was not compared with."""
        bound, unseen = float(self._weights.bounds[clip]), self.chosen[self.seen[clip] :]
        self.seen[clip] = len(self.chosen)
        return min(bound, float(self.since(np.array([clip]), np.array(unseen))[0])) if unseen else bound

    def _refresh(self) -> None:
        """Bring every bound up to date."""
        bounds = self._weights.bounds
        oldest = int(self.seen[bounds > 0].min(initial=len(self.chosen)))
        if oldest < len(self.chosen):
            bounds = np.minimum(bounds, self.since(self.everything, np.array(self.chosen[oldest:])))
        self._weights = Weights(self._left(bounds))
        self.seen[:] = len(self.chosen)

    def _left(self, bounds: NDArray[np.floating]) -> Doubles:
        """The bounds in double precision, 0 for what is chosen."""
        kept = np.array(bounds, np.float64)
        kept[self.chosen] = 0
        return kept
