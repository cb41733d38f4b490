"""Simulated annotators whose confusion matrices are known, and the real votes on CREMA-D's voices."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from al_core.agreement import Event, Votes, votes_of
from al_core.scheme import Scheme

SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))
CODES = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """`truth` (n,) classes, `confusions` (a, c, c + 1) known, and what annotators with them answered."""

    truth: NDArray[np.int64]
    confusions: NDArray[np.float64]
    events: list[Event]
    votes: Votes


@dataclass(frozen=True, slots=True, eq=False)
class Cremad:
    """`counts` (7442, 6) votes on the voices, `intended` (7442,) the emotion the actor meant."""

    counts: NDArray[np.int64]
    intended: NDArray[np.int64]


Simulate = Callable[..., Simulated]


@pytest.fixture
def simulate() -> Simulate:
    """`simulate(seed, n=500, annotators=8, per_clip=8, right=(.3, .9), unclear=0)` answers by known matrices."""

    def run(
        seed: int,
        n: int = 500,
        annotators: int = 8,
        per_clip: int = 8,
        right: tuple[float, float] = (0.3, 0.9),
        unclear: float = 0.0,
    ) -> Simulated:
        rng, c = np.random.default_rng(seed), len(SIX)
        confusions = rng.dirichlet(np.ones(c), (annotators, c))
        for t in range(c):
            confusions[:, t, t] = 0
            hits = rng.uniform(*right, annotators)
            confusions[:, t] *= ((1 - hits) / confusions[:, t].sum(axis=1))[:, None]
            confusions[:, t, t] = hits
        confusions = np.concatenate([confusions * (1 - unclear), np.full((annotators, c, 1), unclear)], axis=2)
        truth = rng.integers(0, c, n)
        names = (*SIX.classes, None)
        events = [
            Event(f"clip {i:05d}", f"annotator {a}", names[rng.choice(c + 1, p=confusions[a, t])], order)
            for i, t in enumerate(truth)
            for order, a in enumerate(rng.permutation(annotators)[:per_clip])
        ]
        return Simulated(truth, confusions, events, votes_of(events, SIX))

    return run


@pytest.fixture(scope="session")
def cremad(shared: Path) -> Cremad:
    """The listeners' votes, as published."""
    with (shared / "data" / "cremad-votes" / "voice_votes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = np.array([[int(row[name]) for name in SIX.classes] for row in rows])
    return Cremad(counts, np.array([CODES.index(row["intended"]) for row in rows]))
