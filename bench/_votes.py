"""The votes on CREMA-D's voices and ways to spend answers on them: what the agreement bench replays.

The publisher gives counts, not who voted. Where an estimator needs annotators, each clip's votes are dealt out at
random to made-up listeners, none better than another: what an estimator learns is how listeners confuse emotions.
"""

import csv
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cleanlab.multiannotator import get_active_learning_scores, get_label_quality_multiannotator
from numpy.typing import NDArray

from al_core.agreement import Decision, Estimator, Majority, Routing, Votes, estimate, route
from al_core.agreement.answers import sorted_votes
from al_core.scheme import Scheme

SCHEME = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))
CODES = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
N_LISTENERS = 32
SPEND = Routing(sure=1.0, limit=100, price=0.0)  # rank every clip: the budget decides how many are asked about

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Policy = Callable[["Replay"], Floats]
Accuracies = dict[tuple[float, str], dict[str, float]]  # (answers a clip, labeller) → by truth


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """`counts` (n, 6) votes a clip, `intended` (n,) the emotion the actor meant."""

    counts: Ints
    intended: Ints

    @classmethod
    def read(cls, path: Path) -> "Corpus":
        """All 7,442 clips of `voice_votes.csv`."""
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        counts = np.array([[int(row[name]) for name in SCHEME.classes] for row in rows])
        return cls(counts, np.array([CODES.index(row["intended"]) for row in rows]))

    def some(self, n: int, seed: int) -> "Corpus":
        """n random clips."""
        chosen = np.random.default_rng(seed).choice(len(self.counts), n, replace=False)
        return Corpus(self.counts[chosen], self.intended[chosen])

    def accuracy(self, labels: Ints) -> dict[str, float]:
        """Per cent of (n,) labels, −1 for none, that are the full votes' majority (its ties left out), and intended."""
        winners = self.counts == self.counts.max(axis=1, keepdims=True)
        decided = winners.sum(axis=1) == 1
        majority = winners[np.arange(len(labels)), labels] & (labels >= 0)
        intended = labels == self.intended
        return {"majority": 100 * float(majority[decided].mean()), "intended": 100 * float(intended.mean())}


class Replay:
    """Each clip's votes in a random order, of which `taken` were given; the same order for every policy of a seed."""

    def __init__(self, corpus: Corpus, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.corpus = corpus
        self.available: Ints = corpus.counts.sum(axis=1)
        most = int(self.available.max())
        self.order = np.full((len(corpus.counts), most), -1)
        self.listener = np.full((len(corpus.counts), most), -1)
        for i, row in enumerate(corpus.counts):
            self.order[i, : row.sum()] = rng.permutation(np.repeat(np.arange(len(SCHEME)), row))
            self.listener[i] = rng.permutation(N_LISTENERS)[:most]
        self.taken: Ints = np.ones(len(corpus.counts), dtype=np.int64)
        self.rng = rng

    def votes(self) -> Votes:
        """What was given so far."""
        given = np.arange(self.order.shape[1]) < self.taken[:, None]
        clip, place = np.nonzero(given)
        keys = [f"{i:05d}" for i in range(len(self.taken))]
        listeners = [f"{a:02d}" for a in range(N_LISTENERS)]
        return sorted_votes(SCHEME, keys, listeners, clip, self.listener[clip, place], self.order[clip, place])

    def matrix(self) -> Floats:
        """The same as cleanlab wants it: (n, listeners), NaN where nobody answered."""
        given = np.arange(self.order.shape[1]) < self.taken[:, None]
        clip, place = np.nonzero(given)
        table = np.full((len(self.taken), N_LISTENERS), np.nan)
        table[clip, self.listener[clip, place]] = self.order[clip, place]
        return table[:, ~np.isnan(table).all(axis=0)]

    def spend(self, answers: int, policy: Policy) -> None:
        """Ask once more about the clips worth most, as long as they have votes left."""
        worth = np.where(self.taken < self.available, policy(self), -np.inf)
        ties = self.rng.random(len(worth))
        self.taken[np.lexsort((ties, -worth))[:answers]] += 1

    def ask(self, again: NDArray[np.bool_]) -> int:
        """Ask once more about the clips marked, as far as they have votes left; how many were."""
        asked = again & (self.taken < self.available)
        self.taken[asked] += 1
        return int(asked.sum())


def by_routing(estimator: Estimator) -> Policy:
    """u · gain of `al_core.agreement.routing`, u = 1: no model is there."""
    return lambda replay: route(estimate(replay.votes(), estimator), SPEND).value


def evenly(replay: Replay) -> Floats:
    """The same number of answers for every clip."""
    return -replay.taken.astype(np.float64)


def by_active_lab(replay: Replay) -> Floats:
    """ActiveLab's order. Without a model its predictions are the base rates of the answers."""
    table = replay.matrix()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores, _ = get_active_learning_scores(table, _base_rates(table))
    return -scores


def labels_by(replay: Replay, estimator: Estimator) -> Ints:
    """(n,) the likeliest class of each clip; a dispute gets it too, since cleanlab knows none."""
    return estimate(replay.votes(), estimator).posterior.argmax(axis=1).astype(np.int64)


def labels_by_cleanlab(replay: Replay) -> Ints:
    """cleanlab's consensus labels, the ones ActiveLab works with."""
    table = replay.matrix()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = get_label_quality_multiannotator(
            table, _base_rates(table), verbose=False, return_annotator_stats=False, return_detailed_quality=False
        )
    return told["label_quality"]["consensus_label"].to_numpy().astype(np.int64)


def stopped(corpus: Corpus, seed: int, rule: Routing) -> Replay:
    """A majority's replay after the rule has stopped asking about every clip."""
    replay = Replay(corpus, seed)
    while replay.ask(
        np.array([d is Decision.ASK for d in route(estimate(replay.votes(), Majority()), rule).decisions])
    ):
        pass
    return replay


def _base_rates(table: Floats) -> Floats:
    answers = table[~np.isnan(table)].astype(np.int64)
    rates = np.bincount(answers, minlength=len(SCHEME)) / len(answers)
    return np.tile(rates, (len(table), 1))


def dealt_out(corpus: Corpus, seed: int) -> Votes:
    """All votes, by made-up listeners."""
    replay = Replay(corpus, seed)
    replay.taken = replay.available.copy()
    return replay.votes()


def spent(
    corpus: Corpus,
    seed: int,
    policy: Policy,
    budgets: tuple[float, ...],
    labellers: Mapping[str, Callable[[Replay], Ints]],
) -> Accuracies:
    """Accuracies by each labeller at each budget (answers a clip, ascending), a tenth of the clips asked at a time."""
    replay, found = Replay(corpus, seed), {}
    n = len(corpus.counts)
    for budget in budgets:
        while (left := round(budget * n) - int(replay.taken.sum())) > 0:
            replay.spend(min(left, -(-n // 10)), policy)
        for name, labeller in labellers.items():
            found[budget, name] = corpus.accuracy(labeller(replay))
    return found
