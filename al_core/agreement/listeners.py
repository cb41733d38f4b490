"""All listeners there could be: how they would answer a clip, as far as its few answers tell.

A clip's listeners answer with probabilities p over the c + 1 responses ("unclear" last). Clips differ:
p ~ Dirichlet(α), one α a project. After n answers of counts y, p ~ Dirichlet(α + y). The label a majority would give is
the largest p.
"""

import math
from collections.abc import Callable

import numpy as np

from al_core.agreement.answers import Floats

STRENGTHS = np.geomspace(0.5, 200, 60)  # Σα that are tried
USUAL_STRENGTH, USUAL_SPREAD = 2.0, 1.0  # median, and deviation of the logarithm, of the prior over them
CHUNK = 4_000_000  # numbers of a quadrature in memory at once


def fit_listeners(counts: Floats) -> Floats:
    """(c + 1,) α: base rates by how much clips differ, the strength s maximising likelihood times a log-normal prior.

    α = s · m with m the base rates (half a vote added to each response), and log P(y | α) = log Γ(s) − log Γ(s + n) +
    Σ_k log Γ(α_k + y_k) − log Γ(α_k). Clips with one answer say nothing about s: without others it is the median.

    Args:
        counts: (n, c + 1) votes of each clip.

    Reference: Minka, *Estimating a Dirichlet distribution*, 2000 (the Pólya likelihood).
    """
    rates = counts.sum(axis=0) + 0.5
    rates /= rates.sum()
    rows, times = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    fits = -0.5 * (np.log(STRENGTHS / USUAL_STRENGTH) / USUAL_SPREAD) ** 2
    tried = STRENGTHS[:, None, None] * rates  # (s, 1, c + 1)
    at_once = max(1, CHUNK // tried.size)
    for start in range(0, len(rows), at_once):
        fits += log_polya(rows[start : start + at_once], tried) @ times[start : start + at_once]
    alpha: Floats = STRENGTHS[fits.argmax()] * rates
    return alpha


def log_polya(counts: Floats, alpha: Floats) -> Floats:
    """(…,) log-probability of one sequence of answers with these (…, r) counts when p ~ Dirichlet(α)."""
    whole = log_gamma(alpha.sum(axis=-1)) - log_gamma(alpha.sum(axis=-1) + counts.sum(axis=-1))
    parts: Floats = whole + (log_gamma(alpha + counts) - log_gamma(alpha)).sum(axis=-1)
    return parts


def leads(alpha: Floats) -> Floats:
    """(n, r) P(p_k is the largest) for p ~ Dirichlet of each (n, r) row: what most listeners would answer.

    With G_k ~ Gamma(α_k), p_k is the largest where G_k is: P = ∫ f_k(x) Π_{j≠k} F_j(x) dx, by the trapezoid rule over
    u = log x, where the density exp(α u − e^u) / Γ(α) is smooth for every α > 0. Error below 1e-3 (tested to Σα = 400).
    """
    out = np.empty_like(alpha)
    # The points depend on the row's own sizes, to a power of two, so that a figure does not change with its neighbours.
    sizes = np.stack([alpha.max(axis=1), alpha.sum(axis=1).clip(0.5, None)], axis=1)
    kinds, kind = np.unique(np.floor(np.log2(sizes)), axis=0, return_inverse=True)
    for i, (largest, total) in enumerate(kinds):
        u = _points(max(2 ** (largest + 1), 1.0), 2**total)
        of = np.flatnonzero(kind.reshape(-1) == i)
        rows = max(1, CHUNK // (alpha.shape[1] * len(u)))
        for start in range(0, len(of), rows):
            part = of[start : start + rows]
            out[part] = _leads(alpha[part], u)
    return out


def _points(largest: float, total: float) -> Floats:
    """From where the largest of the variables hardly ever lies, to where none does, in steps their peaks are wide."""
    low, high = -5 - 11 / total, math.log(largest + 10 * math.sqrt(largest) + 40)
    return np.linspace(low, high, 1 + math.ceil((high - low) * 4 * math.sqrt(largest + 1)))


def _leads(alpha: Floats, u: Floats) -> Floats:
    step, x = u[1] - u[0], math.exp(u[0])
    density = np.exp(alpha[..., None] * u - np.exp(u) - log_gamma(alpha)[..., None])  # (n, r, u)
    below = np.exp(alpha * u[0] - x - log_gamma(alpha + 1)) * (1 + x / (alpha + 1))  # F at the first point
    steps = (density[..., 1:] + density[..., :-1]) * (step / 2)
    distribution = below[..., None] + np.concatenate([np.zeros((*alpha.shape, 1)), steps.cumsum(axis=-1)], axis=-1)
    logs = np.log(np.maximum(distribution, 1e-300))
    others = np.exp(logs.sum(axis=1, keepdims=True) - logs)
    chances = (density * others).sum(axis=-1)
    led: Floats = chances / chances.sum(axis=1, keepdims=True)
    return led


def over_half(alpha: Floats) -> Floats:
    """(n, r) P(p_k > 1/2): more than half of all listeners would answer k. The events exclude each other."""
    out = np.empty_like(alpha)
    total = alpha.sum(axis=1)
    for k, own in enumerate(alpha.T):
        # p_k > 1/2 is G_k above the sum of the others, which is a Gamma variable too.
        out[:, k] = leads(np.stack([own, np.maximum(total - own, 1e-9)], axis=1))[:, 0]
    return out


def by_unique_rows(counts: Floats, figure: Callable[[Floats], Floats]) -> Floats:
    """`figure` of each row, computed once a different row: clips share few vectors of counts."""
    rows, where = np.unique(counts, axis=0, return_inverse=True)
    return figure(rows)[where.reshape(-1)]


def log_gamma(x: Floats) -> Floats:
    """log Γ(x) for x > 0 by Stirling's series at x + 8, to 1e-13 relative; numpy has none."""
    x = np.asarray(x, dtype=np.float64)
    shifted, product = x + 8, np.ones_like(x)
    for i in range(8):
        product = product * (x + i)
    z = 1 / (shifted * shifted)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / shifted
    value: Floats = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + series - np.log(product)
    return value
