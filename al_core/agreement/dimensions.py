"""Ratings of one dimension (valence, arousal, dominance) → a value a clip: the evaluator-weighted estimator."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from al_core.agreement.answers import AgreementError, Floats, Ints
from al_core.agreement.specs import EvaluatorWeighted
from al_core.scheme import Dimension

LEAST_CLIPS = 3  # fewer common clips make no correlation


@dataclass(frozen=True, slots=True)
class Rating:
    """One annotator's value of one dimension for one clip; `order` and `repeat` as in `Event`."""

    clip: str
    annotator: str
    value: float
    order: int = 0
    repeat: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Ratings of one dimension, one row a clip and annotator, sorted by both.

    Attributes:
        clips, annotators: n and a keys, sorted.
        clip, annotator: (m,) int64 positions in them.
        value: (m,) float64 on the dimension's scale.
    """

    clips: tuple[str, ...]
    annotators: tuple[str, ...]
    clip: Ints
    annotator: Ints
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class DimensionEstimate:
    """Values of one dimension.

    Attributes:
        clips, annotators: n and a keys, sorted.
        values: (n,) float64 on the dimension's scale.
        spreads: (n,) float64 weighted standard deviation of the ratings, in the same unit; NaN with one rating.
        n: (n,) int64 ratings of each clip.
        weights: (a,) float64 ≥ 0, the annotators' correlations.
    """

    clips: tuple[str, ...]
    annotators: tuple[str, ...]
    values: Floats
    spreads: Floats
    n: Ints
    weights: Floats


def ratings_of(events: Iterable[Rating], dimension: Dimension) -> Ratings:
    """Each annotator's last rating of each clip, repeats left out.

    Raises:
        AgreementError: a value that is not finite or lies outside the dimension's range; the sentence names the clip.
    """
    last: dict[tuple[str, str], Rating] = {}
    for event in events:
        if not dimension.low <= event.value <= dimension.high:  # False for NaN too
            raise AgreementError(
                f"{dimension.name} of clip {event.clip} by {event.annotator} is {event.value}: the scale goes from "
                f"{dimension.low:g} to {dimension.high:g}"
            )
        held = last.get((event.clip, event.annotator))
        if not event.repeat and (held is None or event.order >= held.order):
            last[event.clip, event.annotator] = event
    rows = [last[key] for key in sorted(last)]
    clips, clip = np.unique(np.array([row.clip for row in rows], dtype=str), return_inverse=True)
    annotators, annotator = np.unique(np.array([row.annotator for row in rows], dtype=str), return_inverse=True)
    value = np.array([row.value for row in rows], dtype=np.float64)
    return Ratings(tuple(clips.tolist()), tuple(annotators.tolist()), clip, annotator, value)


def weigh(ratings: Ratings, spec: EvaluatorWeighted) -> DimensionEstimate:
    """The evaluator-weighted estimate: x̂_i = Σ_j r_j x_ij / Σ_j r_j over the annotators j of clip i.

    r_j is Pearson's correlation of annotator j's ratings with the mean rating of the same clips, over those that
    somebody else rated too; with `leave_one_out` the mean is of the others'. A negative correlation weighs 0. Somebody
    whose correlation is not defined (fewer than 3 such clips, or always the same value) weighs as the average does, and
    a clip all of whose annotators weigh 0 gets their plain mean.

    The spread is sqrt( Σ_j r_j (x_ij − x̂_i)² / (V₁ − V₂ / V₁) ), V₁ = Σ r_j, V₂ = Σ r_j²: the unbiased weighted
    deviation, the sample's where weights are equal.

    Reference: Grimm & Kroschel, *Evaluation of natural emotions using self assessment manikins*, ASRU 2005; leaving the
    annotator out is ours.

    Raises:
        AgreementError: no ratings.
    """
    if not ratings.clips:
        raise AgreementError("no ratings: estimate values once somebody rated a clip")
    weights = _correlations(ratings, spec.leave_one_out)
    n_clips = len(ratings.clips)
    own = weights[ratings.annotator]  # (m,)
    own = np.where(np.bincount(ratings.clip, own, n_clips)[ratings.clip] > 0, own, 1.0)
    total = np.bincount(ratings.clip, own, n_clips)
    values = np.bincount(ratings.clip, own * ratings.value, n_clips) / total
    squares = np.bincount(ratings.clip, own * (ratings.value - values[ratings.clip]) ** 2, n_clips)
    freedom = total - np.bincount(ratings.clip, own**2, n_clips) / total
    counted = np.bincount(ratings.clip, own > 0, n_clips)
    spreads = np.sqrt(np.divide(squares, freedom, out=np.full(n_clips, np.nan), where=counted > 1))
    n = np.bincount(ratings.clip, minlength=n_clips).astype(np.int64)
    return DimensionEstimate(ratings.clips, ratings.annotators, values, spreads, n, weights)


def _correlations(ratings: Ratings, leave_one_out: bool) -> Floats:
    n = np.bincount(ratings.clip, minlength=len(ratings.clips))[ratings.clip]
    sums = np.bincount(ratings.clip, ratings.value, len(ratings.clips))[ratings.clip]
    shared = n > 1
    who, x, n, sums = ratings.annotator[shared], ratings.value[shared], n[shared], sums[shared]
    y = (sums - x) / (n - 1) if leave_one_out else sums / n
    size = len(ratings.annotators)
    clips = np.bincount(who, minlength=size)
    x = x - (np.bincount(who, x, size) / np.maximum(clips, 1))[who]
    y = y - (np.bincount(who, y, size) / np.maximum(clips, 1))[who]
    covariance, squares = np.bincount(who, x * y, size), np.bincount(who, x * x, size) * np.bincount(who, y * y, size)
    defined = (clips >= LEAST_CLIPS) & (squares > 1e-18)
    weights: Floats = np.divide(covariance, np.sqrt(squares), out=np.zeros(size), where=defined).clip(0, None)
    weights[~defined] = weights[defined].mean() if defined.any() else 1.0
    return weights
