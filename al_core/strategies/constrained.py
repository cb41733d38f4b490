"""Limits on a batch: not too much of one speaker, session, sentence or recording, and no second take without need."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator

from al_core.pool import Ints, PoolView, Selection
from al_core.strategies.errors import StrategyError
from al_core.strategies.inputs import finite_rows
from al_core.strategies.near_duplicates import near_duplicate_groups

Ask = Callable[[PoolView, int, Generator], Selection]


def select(
    pool: PoolView, n: int, rng: Generator, ask: Ask, limits: Mapping[str, int], spread_takes: bool = True
) -> Selection:
    """At most n positions, chosen by an inner strategy, with at most `limits[column]` of any group of a column.

    The inner strategy's batch is read best first, and what breaks a limit is left out. It is then asked again for what
    is missing, about the clips that may still be taken, with those already taken as covered ground; so a strategy that
    spreads a batch goes on spreading it. Without a conflict the batch is the inner strategy's own. Where limits leave
    nothing the batch stays smaller than n. A clip whose group is unknown (−1) breaks no limit.

    `spread_takes` keeps a second take of a sentence by the same speaker out as long as anything else is left, so it
    makes no batch smaller.

    Raises:
        StrategyError: a limit on a column that the pool does not have, near-duplicates excepted: without a column they
            are found in the embeddings.
    """
    book = _Book([(_codes(pool, column, rng), most) for column, most in limits.items()])
    takes = _takes(pool) if spread_takes else None
    soft = _Book([] if takes is None else [(takes, 1)])
    positions: list[int] = []
    scores: list[float] = []
    clusters: list[int] = []
    while len(positions) < n:
        hard = book.open(len(pool), positions)
        if not hard.any():
            break
        allowed = hard & soft.open(len(pool), positions)
        if not allowed.any():
            soft.raise_limits()
            continue
        free = np.flatnonzero(allowed)
        untouched = not positions and len(free) == len(pool)
        part = pool if untouched else pool.part(free, np.array(positions, np.int64))
        found = ask(part, min(n - len(positions), len(free)), rng)
        for rank, position in enumerate(free[found.positions].tolist()):
            if book.takes(position) and soft.takes(position):
                book.note(position)
                soft.note(position)
                positions.append(position)
                scores.append(float(found.scores[rank]))
                clusters.append(-1 if found.clusters is None else int(found.clusters[rank]))
    told = np.array(clusters, np.int64) if any(cluster >= 0 for cluster in clusters) else None
    return Selection(np.array(positions, np.int64), np.array(scores, np.float32), told)


def _codes(pool: PoolView, column: str, rng: Generator) -> Ints:
    """(n,) groups of a column; near-duplicates are found in the embeddings where nobody named them."""
    if column in pool.groups:
        return pool.groups[column]
    if column == "near_duplicate":
        return near_duplicate_groups(finite_rows(pool, unit=True)[0], rng)
    known = ", ".join(pool.groups) or "no groups at all"
    raise StrategyError(f"the batch is limited per {column}, but the pool knows {known}: leave the limit out")


class _Book:
    """How many of each group are taken."""

    def __init__(self, columns: list[tuple[Ints, int]]) -> None:
        self.columns = columns
        self.counts = [np.zeros(int(codes.max(initial=-1)) + 1, np.int64) for codes, _ in columns]

    def takes(self, position: int) -> bool:
        """Whether one more clip fits its groups."""
        return all(
            codes[position] < 0 or counts[codes[position]] < most
            for (codes, most), counts in zip(self.columns, self.counts, strict=True)
        )

    def note(self, position: int) -> None:
        """A clip was taken."""
        for (codes, _), counts in zip(self.columns, self.counts, strict=True):
            if codes[position] >= 0:
                counts[codes[position]] += 1

    def open(self, n: int, positions: list[int]) -> np.ndarray:
        """(n,) whether a clip is left and fits its groups."""
        free = np.ones(n, bool)
        free[positions] = False
        for (codes, most), counts in zip(self.columns, self.counts, strict=True):
            full = np.append(counts >= most, False)  # −1 reads the last
            free &= ~full[codes]
        return free

    def raise_limits(self) -> None:
        """One more of each group."""
        self.columns = [(codes, most + 1) for codes, most in self.columns]


def _takes(pool: PoolView) -> Ints | None:
    """(n,) codes of speaker and sentence together, −1 where one is unknown; None where the pool has not both."""
    if "speaker" not in pool.groups or "sentence" not in pool.groups:
        return None
    speaker, sentence = pool.groups["speaker"], pool.groups["sentence"]
    together = speaker * (sentence.max(initial=0) + 1) + sentence
    _, codes = np.unique(together, return_inverse=True)
    return np.where((speaker >= 0) & (sentence >= 0), codes, -1).astype(np.int64)
