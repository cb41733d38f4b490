"""Furthest-first traversal without reading the pool for every pick: the kernel of `core_set` and `greedy_x`."""

import numpy as np
from numpy.random import Generator

from al_core.pool import Floats, Ints, Selection
from al_core.strategies.rows import Rows

_SHORTLIST = 4096  # clips whose distances are kept up to date; 12 MB at 768 wide
_MOST_AT_ONCE = 65536  # clips brought up to date together; 200 MB at 768 wide


def furthest_first(own: Rows, labelled: Rows, n: int, rng: Generator) -> Selection:
    """n positions by argmax_i min_{j ∈ labelled ∪ chosen} ‖x_i − x_j‖, one after the other.

    Distances to the nearest only ever fall, so a distance from earlier is a bound from above. Only a short list of the
    largest is kept up to date; while its best is at least the largest bound outside, it is the best of all. Otherwise
    the largest bounds are brought up to date, each against the clips chosen since, until they hold. The picks are those
    of the plain search, and each pair of a clip and a centre is compared at most once.

    Without a labelled clip the first is the one nearest to the pool's mean. The score is the distance a clip was chosen
    at; the first of a cold start has the largest distance found by the next, or 0. Equals are taken in random order.

    Reference: Gonzalez, *Clustering to minimize the maximum intercluster distance*, 1985, for the traversal; the bounds
    are lazy evaluation as in Minoux, *Accelerated greedy algorithms for maximizing submodular set functions*, 1978.

    Args:
        own, labelled: rows of the pool and of the labelled clips, finite.
        n: at least 1, at most the pool.
        rng: breaks ties.
    """
    search = _Search(own, rng)
    if len(labelled):
        search.bounds = own.nearest(labelled.take(np.arange(len(labelled))))[0]
    else:
        search.begin()
    while len(search.positions) < n:
        search.pick()
    squares = np.array(search.squares)
    if len(labelled) == 0:
        squares[0] = squares[1] if n > 1 else 0
    return Selection(np.array(search.positions, np.int64), np.sqrt(squares).astype(np.float32))


class _Search:
    """The pool during the traversal.

    Attributes:
        bounds: (n,) squared distance to the nearest of the labelled and the first `seen[i]` chosen; −∞ when chosen.
        seen: (n,) how many of the chosen are in the bound.
        positions, squares: chosen so far, and the squared distance each was chosen at.
    """

    def __init__(self, own: Rows, rng: Generator) -> None:
        self.own = own
        self.shuffled: Ints = rng.permutation(len(own))  # pools arrive speaker after speaker
        self.bounds: Floats = np.empty(0, np.float32)
        self.seen: Ints = np.zeros(len(own), np.int64)
        self.positions: list[int] = []
        self.squares: list[float] = []
        self._short: Ints = np.empty(0, np.int64)
        self._rows: Floats = np.empty((0, 0), np.float32)
        self._lengths: Floats = np.empty(0, np.float32)
        self._outside = np.inf

    def begin(self) -> None:
        """Choose the clip nearest to the mean, and measure every other to it."""
        to_mean = self.own.nearest(self.own.mean()[None])[0]
        first = int(self.shuffled[to_mean[self.shuffled].argmin()])
        self.positions.append(first)
        self.squares.append(0.0)
        self.bounds = self.own.nearest(self.own.take(np.array([first])))[0]
        self.bounds[first] = -np.inf
        self.seen[:] = 1

    def pick(self) -> None:
        """Choose the furthest clip."""
        if not len(self._short) or self.bounds[self._short].max() < self._outside:
            self._shorten()
        at = int(self.bounds[self._short].argmax())
        chosen = int(self._short[at])
        self.positions.append(chosen)
        self.squares.append(float(self.bounds[chosen]))
        reach = self._lengths + self._lengths[at] - 2 * (self._rows @ self._rows[at])
        self.bounds[self._short] = np.minimum(self.bounds[self._short], np.maximum(reach, 0))
        self.seen[self._short] = len(self.positions)
        self.bounds[self.positions] = -np.inf  # never twice, also among copies of one clip

    def _shorten(self) -> None:
        """Make the short list anew: the largest bounds, all of them up to date."""
        size = _SHORTLIST
        while True:
            short, self._outside = self._largest(_SHORTLIST)
            if (self.seen[short] == len(self.positions)).all():
                break
            stale, _ = self._largest(size)
            self._bring_up_to_date(stale)
            size = min(2 * size, _MOST_AT_ONCE)
        self._short = short
        self._rows = self.own.take(short)
        self._lengths = np.einsum("nd,nd->n", self._rows, self._rows)

    def _largest(self, size: int) -> tuple[Ints, float]:
        """Positions of the `size` largest bounds, equals in random order, and the largest bound outside them."""
        if size >= len(self.bounds):
            return self.shuffled, -np.inf
        turned = self.bounds[self.shuffled]
        order = np.argpartition(-turned, size)
        return self.shuffled[np.sort(order[:size])], float(turned[order[size]])

    def _bring_up_to_date(self, positions: Ints) -> None:
        """Compare each clip with the chosen ones it has not seen, clips of one age together."""
        done = len(self.positions)
        for age in np.unique(self.seen[positions]):
            if age == done:
                continue
            same = positions[self.seen[positions] == age]
            since = self.own.take(np.array(self.positions[age:]))
            reach = Rows((self.own.take(same),), device=self.own.device).nearest(since)[0]
            self.bounds[same] = np.minimum(self.bounds[same], reach)
            self.seen[same] = done
