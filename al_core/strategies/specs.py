"""What describes each query strategy: frozen parameters, the union `Strategy`, and wrappers around one. Imports none.

One that `needs_probabilities` or `needs_dimensions` cannot choose before a classifier is trained:
`al_core.loop.acquire` begins for it. The parameters of the plain ones stand by family in `specs_doubt`, `specs_cover`
and `specs_dimensions`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from al_core.strategies.errors import StrategyError, require
from al_core.strategies.specs_cover import Alps, CoreSet, CoverageThenMargin, KMeans, ProbCover, Random, TypiClust
from al_core.strategies.specs_dimensions import Ctial, DropoutVariance, GreedyX, GreedyY
from al_core.strategies.specs_doubt import (
    Badge,
    Bald,
    BatchBald,
    ClusterMargin,
    DropQuery,
    Entropy,
    LeastConfidence,
    Margin,
    Modal,
    PowerBald,
    RankedBatch,
)

__all__ = [
    "STRATEGY_NAMES",
    "Alps",
    "Badge",
    "Bald",
    "BatchBald",
    "ClusterMargin",
    "Constrained",
    "CoreSet",
    "CostAware",
    "CoverageThenMargin",
    "Ctial",
    "DropQuery",
    "DropoutVariance",
    "DurationQuotas",
    "Entropy",
    "Explored",
    "GreedyX",
    "GreedyY",
    "KMeans",
    "LeastConfidence",
    "Margin",
    "Modal",
    "Passes",
    "PowerBald",
    "ProbCover",
    "Random",
    "RandomShare",
    "RankedBatch",
    "Sharded",
    "Strategy",
    "StrategyError",
    "TypiClust",
    "Wrapper",
    "as_begun",
    "innermost",
    "name_of",
    "parse_strategy",
    "passes_of",
]


class _Around:
    """What every wrapper has of its inner strategy: the needs."""

    __slots__ = ()
    inner: "Strategy"

    @property
    def needs_probabilities(self) -> bool:
        """As the inner strategy."""
        return self.inner.needs_probabilities

    @property
    def needs_dimensions(self) -> bool:
        """As the inner strategy."""
        return self.inner.needs_dimensions


def _check_share(share: float) -> None:
    require(0 < share <= 1, "share", share, "above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Constrained(_Around):
    """At most so many clips of one speaker, session, sentence or group of near-duplicates in a batch.

    A batch is smaller where these limits leave nothing to take. `takes` "spread" takes a second clip of the same
    sentence by the same speaker only when there is no other left, "any" does not look; where speakers or sentences are
    unknown both are the same.
    """

    inner: "Strategy"
    kind: Literal["constrained"] = "constrained"
    per_speaker: int | None = None
    per_session: int | None = None
    per_sentence: int | None = None
    per_near_duplicate: int | None = None
    takes: Literal["spread", "any"] = "spread"

    def __post_init__(self) -> None:
        for name, limit in self.limits.items():
            require(limit >= 1, f"per_{name}", limit, "at least 1, or left out")

    @property
    def limits(self) -> dict[str, int]:
        """Column of `PoolView.groups` → most clips of one of its groups in a batch."""
        every = {
            "speaker": self.per_speaker,
            "session": self.per_session,
            "sentence": self.per_sentence,
            "near_duplicate": self.per_near_duplicate,
        }
        return {name: limit for name, limit in every.items() if limit is not None}


@dataclass(frozen=True, slots=True)
class DurationQuotas(_Around):
    """Shares of the batch by length: `bounds_s` part the pool into bands, `shares` says how much each gets."""

    inner: "Strategy"
    bounds_s: tuple[float, ...]
    shares: tuple[float, ...]
    kind: Literal["duration_quotas"] = "duration_quotas"

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip(self.bounds_s, self.bounds_s[1:], strict=False))
        require(bool(self.bounds_s) and rising, "bounds_s", self.bounds_s, "one or more rising lengths in seconds")
        one_more = len(self.shares) == len(self.bounds_s) + 1
        require(one_more, "shares", self.shares, "one more than bounds_s: below the first, between, above the last")
        sums = abs(sum(self.shares) - 1) < 1e-6 and min(self.shares) >= 0
        require(sums, "shares", self.shares, "at least 0 each, and 1 together")


@dataclass(frozen=True, slots=True)
class CostAware(_Around):
    """The most for the annotators' time: the inner strategy's candidates by rank per second.

    A clip costs its audio plus `overhead_s`, what an annotator needs besides; `candidates_per_pick` is how many of the
    inner strategy's stand behind each pick.
    """

    inner: "Strategy"
    kind: Literal["cost_aware"] = "cost_aware"
    overhead_s: float = 2.0
    candidates_per_pick: int = 2

    def __post_init__(self) -> None:
        require(self.overhead_s >= 0, "overhead_s", self.overhead_s, "at least 0")
        require(self.candidates_per_pick >= 1, "candidates_per_pick", self.candidates_per_pick, "at least 1")


@dataclass(frozen=True, slots=True)
class Explored(_Around):
    """A share of the batch drawn at random over clusters of the pool, those with fewest labels first."""

    inner: "Strategy"
    kind: Literal["explored"] = "explored"
    share: float = 0.2

    def __post_init__(self) -> None:
        _check_share(self.share)


@dataclass(frozen=True, slots=True)
class RandomShare(_Around):
    """A share of the batch drawn uniformly at random: a control inside the batch."""

    inner: "Strategy"
    kind: Literal["random_share"] = "random_share"
    share: float = 0.1

    def __post_init__(self) -> None:
        _check_share(self.share)


@dataclass(frozen=True, slots=True)
class Sharded(_Around):
    """For pools above `shard_rows` clips: each shard hands up candidates, and the batch is chosen among these.

    `candidates_per_pick` is how many of each shard stand behind each pick. A smaller pool is the inner strategy's own.
    """

    inner: "Strategy"
    kind: Literal["sharded"] = "sharded"
    shard_rows: int = 1_000_000
    candidates_per_pick: int = 1

    def __post_init__(self) -> None:
        require(self.shard_rows >= 1, "shard_rows", self.shard_rows, "at least 1")
        require(self.candidates_per_pick >= 1, "candidates_per_pick", self.candidates_per_pick, "at least 1")


Wrapper = Constrained | DurationQuotas | CostAware | Explored | RandomShare | Sharded
Strategy = (
    Random
    | Entropy
    | LeastConfidence
    | Margin
    | CoreSet
    | KMeans
    | Badge
    | TypiClust
    | ProbCover
    | ClusterMargin
    | CoverageThenMargin
    | RankedBatch
    | Bald
    | BatchBald
    | PowerBald
    | DropQuery
    | Alps
    | Ctial
    | DropoutVariance
    | GreedyX
    | GreedyY
    | Modal
    | Constrained
    | DurationQuotas
    | CostAware
    | Explored
    | RandomShare
    | Sharded
)

_BY_NAME: dict[str, Callable[[], Strategy]] = {
    "random": Random,
    "entropy": Entropy,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "core_set": CoreSet,
    "k_means": KMeans,
    "badge": Badge,
    "typiclust": TypiClust,
    "prob_cover": ProbCover,
    "cluster_margin": ClusterMargin,
    "coverage_then_margin": CoverageThenMargin,
    "ranked_batch": RankedBatch,
    "bald": Bald,
    "batch_bald": BatchBald,
    "power_bald": PowerBald,
    "drop_query": DropQuery,
    "alps": Alps,
    "ctial": Ctial,
    "dropout_variance": DropoutVariance,
    "greedy_x": GreedyX,
    "greedy_y": GreedyY,
}
STRATEGY_NAMES: tuple[str, ...] = tuple(_BY_NAME)


def parse_strategy(text: str) -> Strategy:
    """A strategy with its defaults from its name, or a `Modal` from an import path with a colon."""
    if ":" in text:
        return Modal(path=text)
    if text not in _BY_NAME:
        raise StrategyError(
            f"unknown strategy {text!r}: choose from {', '.join(_BY_NAME)}, or name a modAL-style callable module:name"
        )
    return _BY_NAME[text]()


class Passes(NamedTuple):
    """Dropout passes over the pool: how many, and the share of columns each drops."""

    passes: int
    dropout: float


def passes_of(strategy: Strategy) -> Passes | None:
    """The dropout passes a strategy reads, None when it reads none."""
    inner = innermost(strategy)
    if isinstance(inner, Bald | BatchBald | PowerBald | DropQuery | DropoutVariance):
        return Passes(inner.passes, inner.dropout)
    return None


def innermost(strategy: Strategy) -> Strategy:
    """The strategy inside all wrappers."""
    while isinstance(strategy, Wrapper):
        strategy = strategy.inner
    return strategy


def name_of(strategy: Strategy) -> str:
    """What results are filed under: its kind, a callable's import path, a wrapper's kind around its inner's name."""
    if isinstance(strategy, Modal):
        return strategy.path
    return f"{strategy.kind}({name_of(strategy.inner)})" if isinstance(strategy, Wrapper) else strategy.kind


def as_begun(strategy: Strategy) -> Strategy:
    """The same wrappers around a random choice: what begins for a strategy that cannot."""
    return replace(strategy, inner=as_begun(strategy.inner)) if isinstance(strategy, Wrapper) else Random()
