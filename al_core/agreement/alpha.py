"""Krippendorff's alpha (nominal, ordinal, interval) with bootstrap intervals over clips.

α = 1 − D_o / D_e, the observed over the expected disagreement of pairable answers: 1 is perfect agreement, 0 what
chance gives, below 0 worse. Clips with one answer are not pairable and left out. Every level is a ratio of sums over
clips, so a resample is a product of how often each clip was drawn with the clips' terms; clips of equal terms are drawn
together.

Reference: Krippendorff, Content Analysis: An Introduction to Its Methodology, 4th ed., 2018, chapter 12.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.random import default_rng

from al_core.agreement.answers import AgreementError, Choices, Floats, Ints
from al_core.agreement.dimensions import Ratings
from al_core.agreement.intervals import Coefficient, percentiles
from al_core.scheme import Scheme

RESAMPLES = 1000
CHUNK = 8_000_000  # draws in memory at once
MOST_RANKS = 100

Formula = Callable[[Floats], Floats]  # (b, terms) sums over clips → (b,) alphas, NaN where undefined


def counts_of(choices: Choices, n_clips: int, n_classes: int) -> Floats:
    """(n, c) float64 how many annotators chose each class, from `choices`."""
    flat = np.bincount(choices.clip * n_classes + choices.response, minlength=n_clips * n_classes)
    return flat.reshape(n_clips, n_classes).astype(np.float64)


def rated_counts(ratings: Ratings) -> Floats:
    """(n, v) float64 how many annotators gave each of the v values that occur, ascending: for the ordinal alpha."""
    values, column = np.unique(ratings.value, return_inverse=True)
    flat = np.bincount(ratings.clip * len(values) + column, minlength=len(ratings.clips) * len(values))
    return flat.reshape(len(ratings.clips), len(values)).astype(np.float64)


def nominal(counts: Floats, resamples: int = RESAMPLES, seed: int = 0) -> Coefficient | None:
    """Alpha of classes: two different ones disagree by 1.

    Args:
        counts: (n, c) answers of each class a clip.
        resamples, seed: of the bootstrap; 0 resamples leave the interval NaN.

    Returns None where alpha is undefined: no clip with two answers, or one class in all of them.
    """
    kept, times = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    n = kept.sum(axis=1, keepdims=True)
    agreed = (kept * (kept - 1)).sum(axis=1, keepdims=True) / (n - 1)

    def formula(sums: Floats) -> Floats:
        each, agreed = sums[:, :-1], sums[:, -1]
        total = each.sum(axis=1)
        expected = total - (each * (each - 1)).sum(axis=1) / (total - 1)
        return _alpha(total - agreed, expected)

    return _with_interval(np.hstack([kept, agreed]), times, formula, resamples, seed)


def per_class(counts: Floats, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Coefficient | None, ...]:
    """(c,) nominal alpha of each class against the rest: which emotions annotators agree on."""
    total = counts.sum(axis=1)
    return tuple(nominal(np.stack([own, total - own], axis=1), resamples, seed) for own in counts.T)


def ordinal(counts: Floats, resamples: int = RESAMPLES, seed: int = 0) -> Coefficient | None:
    """Alpha of ranks: δ²_ck = (Σ_{g=c…k} n_g − (n_c + n_k) / 2)², how many answers lie between two values.

    Args:
        counts: (n, v) answers of each value a clip, the columns ascending, v at most 100 (a scale's points).
        resamples, seed: of the bootstrap.

    Returns None where alpha is undefined.

    Raises:
        AgreementError: more than 100 values.
    """
    size = counts.shape[1]
    if size > MOST_RANKS:
        raise AgreementError(f"ordinal alpha of {size} different values: take the interval alpha for a slider")
    kept, times = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    pairs = kept[:, :, None] * kept[:, None, :]
    pairs[:, np.arange(size), np.arange(size)] -= kept
    terms = (pairs / (kept.sum(axis=1) - 1)[:, None, None]).reshape(len(kept), size * size)  # coincidences

    def formula(sums: Floats) -> Floats:
        observed = sums.reshape(-1, size, size)
        n = observed.sum(axis=2)  # (b, v)
        middle = n.cumsum(axis=1) - n / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
        expected = n[:, :, None] * n[:, None, :] / (n.sum(axis=1) - 1)[:, None, None]
        return _alpha((observed * distance).sum(axis=(1, 2)), (expected * distance).sum(axis=(1, 2)))

    return _with_interval(terms, times, formula, resamples, seed)


def interval(ratings: Ratings, resamples: int = RESAMPLES, seed: int = 0) -> Coefficient | None:
    """Alpha of values: δ² = (x − x′)², by sums of values and squares, so sliders of any fineness cost the same.

    Returns None where alpha is undefined.
    """
    n_clips = len(ratings.clips)
    n = np.bincount(ratings.clip, minlength=n_clips).astype(np.float64)
    x = (
        ratings.value - ratings.value.mean() if len(ratings.value) else ratings.value
    )  # smaller squares, fewer lost digits
    first, second = np.bincount(ratings.clip, x, n_clips), np.bincount(ratings.clip, x * x, n_clips)
    kept = n > 1
    n, first, second = n[kept], first[kept], second[kept]
    within = 2 * (n * second - first**2) / (n - 1)

    def formula(sums: Floats) -> Floats:
        total, one, two, observed = sums.T
        return _alpha(observed, 2 * (total * two - one**2) / (total - 1))

    terms = np.stack([n, first, second, within], axis=1)
    return _with_interval(terms, np.ones(len(terms), dtype=np.int64), formula, resamples, seed)


def krippendorff_alpha(units: Sequence[Sequence[tuple[Hashable, str]]], scheme: Scheme) -> float | None:
    """Nominal alpha of (annotator, answer) pairs, one list a clip; an annotator's last answer to a clip counts.

    Returns None where alpha is undefined: no clip with two annotators, or one class in all pairable annotations.

    Raises:
        SchemeError: an answer that is not a class of the scheme.
    """
    counts = np.zeros((len(units), len(scheme)))
    for row, unit in zip(counts, units, strict=True):
        for answer in dict(unit).values():
            row[scheme.index(answer)] += 1
    found = nominal(counts, resamples=0)
    return None if found is None else found.value


def _alpha(observed: Floats, expected: Floats) -> Floats:
    ratio: Floats = np.divide(observed, expected, out=np.full(len(expected), np.nan), where=expected > 1e-12)
    return 1 - ratio


def _with_interval(terms: Floats, times: Ints, formula: Formula, resamples: int, seed: int) -> Coefficient | None:
    """The figure of clips whose different rows of terms occur so many `times`, with its interval."""
    value = formula(times[None, :] @ terms)[0] if len(terms) else np.nan
    if np.isnan(value):
        return None
    return percentiles(value, _resampled(terms, times, formula, resamples, seed), int(times.sum()))


def _resampled(rows: Floats, times: Ints, formula: Formula, resamples: int, seed: int) -> Floats:
    """(resamples,) alphas: n clips drawn with replacement are a multinomial draw of the different rows of terms."""
    rng, n = default_rng(seed), int(times.sum())
    at_once = max(1, CHUNK // len(rows))
    parts = [
        formula(rng.multinomial(n, times / n, size=min(at_once, resamples - start)).astype(np.float64) @ rows)
        for start in range(0, resamples, at_once)
    ]
    return np.concatenate(parts) if parts else np.empty(0)
