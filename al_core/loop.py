"""The steps a round is made of, the same for the simulation and for the service's jobs."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies.query import query
from al_core.strategies.specs import Constrained, Random, Strategy, StrategyError, as_begun, innermost

_BLOCK = 8192  # rows standardised at once


def round_rng(seed: int, round_number: int, arm: str) -> Generator:
    """The generator of one arm in one round: independent of every other arm, round and seed, and replayable.

    Args:
        seed: the project's or the simulation's seed, at least 0.
        round_number: from 0, the seed set.
        arm: any name; the service uses "strategy" and "control".
    """
    return default_rng(SeedSequence([seed, round_number, zlib.crc32(arm.encode())]))


def pool_view(
    embeddings: Floats,
    probabilities: Floats | None,
    labelled_embeddings: Floats,
    labelled_classes: Ints,
    n_classes: int,
    durations_s: Floats,
) -> PoolView:
    """What the strategies of a round see: every column of the embeddings z-normalised over pool and labelled clips.

    Pooled hidden states have a few columns of very large variance that would decide every distance alone.

    Args:
        embeddings: (n, d) of the pool, float32 or float16, memory-mapped or not.
        probabilities: (n, c) float32, or None before any label exists; not seen where the scheme has no classes.
        labelled_embeddings: (m, d) of this arm's labelled clips.
        labelled_classes: (m,) int64, positions in the scheme.
        n_classes: c, the length of the scheme.
        durations_s: (n,) seconds.
    """
    labelled = labelled_embeddings.reshape(-1, embeddings.shape[1])
    mean, scale = _columns(embeddings, labelled)
    own, known = (_standardised(part, mean, scale) for part in (embeddings, labelled))
    seen = probabilities if n_classes else None
    return PoolView(own, seen, known, labelled_classes, n_classes, durations_s)


def _columns(*parts: Floats) -> tuple[Floats, Floats]:
    """(d,) mean and standard deviation of every column over all rows; 1 where a column is constant."""
    n = max(sum(map(len, parts)), 1)
    total = np.zeros(parts[0].shape[1])
    for part in parts:
        for start in range(0, len(part), _BLOCK):
            total += part[start : start + _BLOCK].sum(axis=0, dtype=np.float64)
    mean = total / n
    squares = np.zeros_like(mean)
    for part in parts:
        for start in range(0, len(part), _BLOCK):
            squares += ((part[start : start + _BLOCK] - mean) ** 2).sum(axis=0)
    spread = np.sqrt(squares / n)
    return mean.astype(np.float32), np.where(spread > 1e-8, spread, 1).astype(np.float32)


def _standardised(rows: Floats, mean: Floats, scale: Floats) -> Floats:
    """(n, d) rows in standard deviations; float16 stays float16, so a large pool is never copied at twice its size."""
    kept = np.float16 if rows.dtype == np.float16 else np.float32
    standardised = np.empty(rows.shape, kept)
    for start in range(0, len(rows), _BLOCK):
        standardised[start : start + _BLOCK] = (rows[start : start + _BLOCK] - mean) / scale
    return standardised


def group_codes(columns: Mapping[str, Sequence[str | None]]) -> dict[str, Ints]:
    """For `PoolView.groups`: column → (n,) int64, equal for equal values, −1 for None; one of Nones is left out."""
    known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    coded: dict[str, Ints] = {}
    for name, values in known.items():
        numbers: dict[str, int] = {}
        codes = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]
        coded[name] = np.array(codes, dtype=np.int64)
    return coded


def acquire(strategy: Strategy, pool: PoolView, n: int, rng: Generator) -> Selection:
    """Choose the round's acquisition batch: min(n, len(pool)) positions, best first.

    Cold start: before a classifier exists a strategy that reads what it predicts chooses at random, inside whatever is
    wrapped around it, so every strategy can begin; those of `specs_cover` begin by themselves.

    Takes: where the pool knows speakers and sentences, a second take of a sentence by the same speaker is left for
    another round as long as there is anything else, whatever the strategy; `Constrained(…, takes="any")` asks for none
    of this, and `Random` alone, the control, stays uniform.

    Raises:
        StrategyError: the strategy cannot run on this pool, or reads class probabilities of a scheme without classes,
            or dimensions of a scheme without them; the sentence says why.
    """
    named = innermost(strategy).kind
    if strategy.needs_probabilities and pool.n_classes == 0:
        raise StrategyError(
            f"{named} reads class probabilities and the scheme has dimensions alone: use coverage_then_margin, "
            "typiclust, core_set or random"
        )
    if strategy.needs_dimensions and pool.n_dimensions == 0:
        raise StrategyError(f"{named} reads dimensions and the scheme has classes alone: use coverage_then_margin")
    lacking = (strategy.needs_probabilities and pool.probabilities is None) or (
        strategy.needs_dimensions and pool.dimensions is None
    )
    chosen = as_begun(strategy) if lacking else strategy
    if not isinstance(chosen, Constrained | Random):
        chosen = Constrained(chosen)
    return query(chosen, pool, n, rng)
