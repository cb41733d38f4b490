"""The learning curve as an inverse power law, and the gain it predicts for further labels, with an interval.

u(n) = a − b·n^(−c) with a ≤ 1, b ≥ 0 and 0 < c ≤ 2, fitted by weighted least squares (Figueroa, Zeng-Treitler, Kandula
& Ngo, *Predicting sample size required for classification performance*, BMC Medical Informatics and Decision Making 12,
2012).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from al_core.evaluation.bootstrap import CONFIDENCE, Doubles

MIN_POINTS = 4  # three parameters and one point that can contradict them
RESAMPLES = 1000
# How far one round lies off its law is known poorly from a few: .02 on the corpora of bench/LOG.md, as if four more
# rounds had said so.
_USUAL_SCATTER, _ROUNDS_IT_COUNTS = 0.02, 4
# For a fixed c the law is linear in a and b, so the least squares are exact and only c is searched: no starting values,
# no local minimum, and a thousand refits in some milliseconds.
_EXPONENTS = np.geomspace(0.02, 2.0, 160)


class CurveError(ValueError):
    """A curve that cannot be fitted; the sentence says why."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One measured point.

    Attributes:
        n_labels: labels trained on, at least 1.
        height: UAR, or the mean CCC of a scheme without classes; at most 1.
        error: its standard error, in the units of the height; None where unknown.
    """

    n_labels: int
    height: float
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """What further labels are predicted to bring, in units of the height.

    Attributes:
        n_labels: so many labels more.
        value: of the fitted law.
        low, high: a 95 % interval of the law's gain.
        seen_low, seen_high: a 95 % interval of the difference between the newest measurement and the one to come, both
            of which lie off the law: what an operator may see who labels them.
    """

    n_labels: int
    value: float
    low: float
    high: float
    seen_low: float
    seen_high: float


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """A fitted law and its bootstrap.

    Attributes:
        ceiling: a, where the law ends.
        scale: b.
        exponent: c.
        noise: root of the residual variance a point of average weight, over the degrees of freedom.
        n_labels: where the newest point stands.
        laws: (resamples, 3) a, b and c of every refit.
        apart: (resamples,) draws of how far two measurements lie apart that the law says are one.
    """

    ceiling: float
    scale: float
    exponent: float
    noise: float
    n_labels: int
    laws: Doubles
    apart: Doubles

    def height(self, n_labels: float) -> float:
        """The law's height at this many labels."""
        return float(self.ceiling - self.scale * n_labels**-self.exponent)

    def gain(self, more: int) -> Gain:
        """What `more` labels bring from the newest point on; at least 1."""
        if more < 1:
            raise CurveError(f"a gain from {more} labels: ask for at least 1")
        law = np.array([[self.ceiling, self.scale, self.exponent]])
        ends = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
        gains = _gains(self.laws, self.n_labels, more)
        low, high = np.quantile(gains, ends)
        seen_low, seen_high = np.quantile(gains + self.apart, ends)
        value = float(_gains(law, self.n_labels, more)[0])
        return Gain(more, value, float(low), float(high), float(seen_low), float(seen_high))


def fit_learning_curve(points: Sequence[CurvePoint], seed: int = 0, resamples: int = RESAMPLES) -> LearningCurve:
    """Fit the law to the points and bootstrap it.

    Points weigh by 1/error² where all errors are known, and alike otherwise. The bootstrap is parametric: the law plus
    normal noise of the residuals' scale, refitted. The scale itself is drawn from its sampling distribution
    (RSS/χ² with n − 3 degrees of freedom), as four points hardly tell it. Errors weigh points against each other and no
    more: the test clips are the same in every round, so most of a point's error lifts the curve and bends nothing.

    Args:
        points: in any order, of at least 4 different numbers of labels.
        seed: of the bootstrap; the same points and seed give the same curve.
        resamples: r.

    Raises:
        CurveError: too few different numbers of labels, a height above 1 or not finite, or a number of labels below 1.
    """
    n, heights, weights = _columns(points)
    powers = n[None, :] ** -_EXPONENTS[:, None]  # (exponents, points)
    law = _fit(heights[None, :], powers, weights)[0]
    fitted = law[0] - law[1] * n ** -law[2]
    dof = len(n) - 3
    rss = float((weights * (heights - fitted) ** 2).sum())
    rng = np.random.default_rng(seed)
    scales = np.sqrt(rss / rng.chisquare(dof, size=resamples))
    noise = rng.standard_normal((resamples, len(n))) / np.sqrt(weights)
    laws = _fit(np.minimum(fitted + scales[:, None] * noise, 1.0), powers, weights)
    usual = rss + _ROUNDS_IT_COUNTS * _USUAL_SCATTER**2
    scatter = np.sqrt(usual / rng.chisquare(dof + _ROUNDS_IT_COUNTS, size=resamples))
    apart = np.sqrt(2) * scatter * rng.standard_normal(resamples)
    a, b, c = (float(value) for value in law)
    return LearningCurve(a, b, c, float(np.sqrt(rss / dof)), int(n.max()), laws, apart)


def _columns(points: Sequence[CurvePoint]) -> tuple[Doubles, Doubles, Doubles]:
    """(n,) labels, heights, and weights that average 1."""
    n = np.array([point.n_labels for point in points], dtype=np.float64)
    heights = np.array([point.height for point in points], dtype=np.float64)
    if len(set(n)) < MIN_POINTS:
        raise CurveError(f"a curve needs {MIN_POINTS} rounds with different numbers of labels, and has {len(set(n))}")
    if (n < 1).any():
        raise CurveError("a point of the curve has no labels: leave it out")
    if not (heights <= 1).all():
        raise CurveError("a point of the curve is above 1 or not a number: it is no UAR and no CCC")
    errors = [point.error for point in points]
    weights = np.array([1 / e**2 for e in errors if e is not None and e > 0])
    if len(weights) < len(points):
        weights = np.ones(len(points))
    return n, heights, weights / weights.mean()


def _fit(heights: Doubles, powers: Doubles, weights: Doubles) -> Doubles:
    """(r, n) heights, (k, n) powers n^(−c) and (n,) weights → (r, 3) a, b, c of the smallest weighted residuals."""
    share = weights / weights.sum()
    mean_x, mean_u = powers @ share, heights @ share  # (k,), (r,)
    centred = powers - mean_x[:, None]
    b = -(heights @ (centred * share).T) / (centred**2 @ share)  # (r, k)
    a = mean_u[:, None] + b * mean_x
    # Where a bound is crossed the best point lies on it: b = 0 with the mean, or a = 1 with the best b for it.
    falls, over = b < 0, a > 1
    b = np.where(falls, 0.0, np.where(over, (mean_x - heights @ (powers * share).T) / (powers**2 @ share), b))
    a = np.where(falls, mean_u[:, None], np.minimum(a, 1.0))
    rss = _residuals(heights, powers, share, a, b)
    best = rss.argmin(axis=1)
    rows = np.arange(len(heights))
    return np.stack([a[rows, best], b[rows, best], _EXPONENTS[best]], axis=1)


def _residuals(heights: Doubles, powers: Doubles, share: Doubles, a: Doubles, b: Doubles) -> Doubles:
    """(r, k) weighted mean squares of u − a + b·x, summed point by point: expanding the square would cancel."""
    total: Doubles = np.zeros(a.shape)
    for height, power, weight in zip(heights.T, powers.T, share, strict=True):
        total += weight * (height[:, None] - a + b * power) ** 2
    return total


def _gains(laws: Doubles, n: int, more: int) -> Doubles:
    """(r,) u(n + more) − u(n) of every law."""
    b, c = laws[:, 1], laws[:, 2]
    gains: Doubles = b * (float(n) ** -c - float(n + more) ** -c)
    return gains
