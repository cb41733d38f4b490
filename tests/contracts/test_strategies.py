"""What every query strategy promises: one test body, all siblings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from al_core.loop import acquire
from al_core.pool import PoolView, Selection
from al_core.strategies.query import query
from al_core.strategies.specs import (
    STRATEGY_NAMES,
    Alps,
    Bald,
    BatchBald,
    Constrained,
    CoreSet,
    CostAware,
    CoverageThenMargin,
    Ctial,
    DropoutVariance,
    DurationQuotas,
    Entropy,
    Explored,
    GreedyX,
    GreedyY,
    LeastConfidence,
    Margin,
    Modal,
    PowerBald,
    ProbCover,
    Random,
    RandomShare,
    Sharded,
    Strategy,
    StrategyError,
    TypiClust,
    Wrapper,
    innermost,
    parse_strategy,
    passes_of,
)

STRATEGIES = [
    *(parse_strategy(name) for name in STRATEGY_NAMES),
    CoverageThenMargin(coverage_per_class=0),  # its second half
    CoverageThenMargin(coverage_per_class=0, candidates_per_pick=1),  # plain margin
    Modal("modAL.uncertainty:margin_sampling"),
    Modal("modAL.batch:uncertainty_batch_sampling"),
    ProbCover(radius=0.5),
    Constrained(Margin()),
    Constrained(CoreSet(), per_speaker=400, per_session=400, per_sentence=400, per_near_duplicate=400),
    DurationQuotas(parse_strategy("badge"), bounds_s=(2.0, 3.0), shares=(0.2, 0.3, 0.5)),
    CostAware(TypiClust()),
    Explored(Margin()),
    RandomShare(Explored(CostAware(Constrained(parse_strategy("k_means")))), share=0.3),
    Sharded(Margin(), shard_rows=20, candidates_per_pick=1),
    Sharded(CoreSet(), shard_rows=100, candidates_per_pick=2),
    Constrained(Sharded(parse_strategy("badge"), shard_rows=90, candidates_per_pick=1), per_speaker=400),
]
READS_NO_EMBEDDING = Entropy | LeastConfidence | Margin | Bald | BatchBald | PowerBald | Alps | Ctial
READS_NO_EMBEDDING |= DropoutVariance | GreedyY
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=str)


def a_pool(n: int = 450, m: int = 20, seed: int = 0, c: int = 7, d: int = 12) -> PoolView:
    """n clips around 9 centres, predicted by a made-up linear classifier; m labelled."""
    rng = default_rng(seed)
    centres = rng.normal(size=(9, d)) * 2
    together = (centres[rng.integers(9, size=n + m)] + rng.normal(size=(n + m, d))).astype(np.float32)
    logits = together[:n] @ rng.normal(size=(d, c)) / 2
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    passes = np.exp(logits[:, None] + rng.normal(size=(n, 8, c)))
    dimensions = rng.normal(size=(n, 2)) / 10 + 0.5
    return PoolView(
        embeddings=together[:n],
        probabilities=(exp / exp.sum(axis=1, keepdims=True)).astype(np.float32),
        labelled_embeddings=together[n:],
        labelled_classes=rng.integers(c, size=m),
        n_classes=c,
        durations_s=rng.uniform(1, 4, n).astype(np.float32),
        samples=(passes / passes.sum(axis=2, keepdims=True)).astype(np.float32),
        n_dimensions=2,
        dimensions=dimensions.astype(np.float32),
        dimension_samples=(dimensions[:, None] + rng.normal(size=(n, 8, 2)) / 20).astype(np.float32),
        labelled_dimensions=rng.uniform(size=(m, 2)).astype(np.float32),
        loss_profile=rng.gamma(2, size=(n, 6)).astype(np.float32),
        groups={
            "speaker": rng.integers(6, size=n),
            "session": rng.integers(3, size=n),
            "sentence": rng.integers(-1, 10, size=n),
            "near_duplicate": np.arange(n, dtype=np.int64) // 2,
        },
    )


def begins(strategy: Strategy) -> bool:
    """Whether it chooses before a classifier is trained."""
    return not (strategy.needs_probabilities or strategy.needs_dimensions)


def assert_positions(selection: Selection, n: int, pool: PoolView) -> None:
    assert selection.positions.shape == selection.scores.shape == (n,)
    assert selection.positions.dtype == np.int64
    assert selection.scores.dtype == np.float32
    assert np.isfinite(selection.scores).all()
    assert len(set(selection.positions.tolist())) == n
    assert n == 0 or (selection.positions.min() >= 0 and selection.positions.max() < len(pool))


@every_strategy
@pytest.mark.parametrize("n", [0, 1, 2, 37])
def test_n_different_positions_of_the_pool_are_chosen(strategy: Strategy, n: int) -> None:
    pool = a_pool()
    assert_positions(query(strategy, pool, n, default_rng(0)), n, pool)


@every_strategy
def test_asking_for_more_than_the_pool_holds_takes_all_of_it(strategy: Strategy) -> None:
    pool = a_pool(n=40)
    selection = query(strategy, pool, 1000, default_rng(0))
    assert_positions(selection, 40, pool)


@every_strategy
def test_an_empty_pool_gives_an_empty_selection(strategy: Strategy) -> None:
    assert_positions(query(strategy, a_pool(n=0), 5, default_rng(0)), 0, a_pool(n=0))


@every_strategy
def test_a_pool_of_one_clip_can_be_emptied(strategy: Strategy) -> None:
    assert query(strategy, a_pool(n=1), 1, default_rng(0)).positions.tolist() == [0]


@every_strategy
def test_asking_for_fewer_than_none_is_refused(strategy: Strategy) -> None:
    with pytest.raises(StrategyError, match="0 or more"):
        query(strategy, a_pool(n=5), -1, default_rng(0))


@every_strategy
def test_the_same_seed_gives_the_same_selection(strategy: Strategy) -> None:
    first = query(strategy, a_pool(), 25, default_rng(3))
    again = query(strategy, a_pool(), 25, default_rng(3))
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.scores, again.scores)


@every_strategy
def test_nothing_it_was_given_is_changed(strategy: Strategy) -> None:
    pool, untouched = a_pool(), a_pool()
    query(strategy, pool, 25, default_rng(0))
    np.testing.assert_array_equal(pool.embeddings, untouched.embeddings)
    np.testing.assert_array_equal(pool.probabilities, untouched.probabilities)
    np.testing.assert_array_equal(pool.labelled_embeddings, untouched.labelled_embeddings)


@every_strategy
def test_memory_mapped_half_precision_embeddings_choose_as_their_float32_copy(
    strategy: Strategy, tmp_path: Path
) -> None:
    pool = a_pool()
    half = np.memmap(tmp_path / "embeddings.f16", np.float16, "w+", shape=pool.embeddings.shape)
    half[:] = pool.embeddings
    mapped = replace(pool, embeddings=half)
    copied = replace(pool, embeddings=np.asarray(half, np.float32))
    np.testing.assert_array_equal(
        query(strategy, mapped, 20, default_rng(0)).positions, query(strategy, copied, 20, default_rng(0)).positions
    )


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@every_strategy
def test_copies_of_one_clip_are_chosen_once_each(strategy: Strategy) -> None:
    """All equal: every distance is 0 and every probability a tie."""
    pool = a_pool(n=30)
    columns = ("embeddings", "probabilities", "samples", "dimensions", "dimension_samples", "loss_profile")
    equal = replace(pool, **{name: np.repeat(getattr(pool, name)[:1], 30, 0) for name in columns})
    assert_positions(query(strategy, equal, 12, default_rng(0)), 12, equal)


@every_strategy
def test_every_strategy_can_open_round_0(strategy: Strategy) -> None:
    """No label, no classifier: the cold start rule of the loop."""
    cold = replace(a_pool(m=0), probabilities=None, samples=None, dimensions=None, dimension_samples=None)
    assert_positions(acquire(strategy, cold, 14, default_rng(0)), 14, cold)


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if not begins(s)], ids=str)
def test_a_strategy_that_reads_predictions_names_what_it_lacks(strategy: Strategy) -> None:
    with pytest.raises(StrategyError, match="trained classifier"):
        query(strategy, replace(a_pool(), probabilities=None, dimensions=None), 5, default_rng(0))


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if passes_of(s) is not None], ids=str)
def test_a_strategy_that_reads_dropout_passes_says_that_nobody_ran_them(strategy: Strategy) -> None:
    with pytest.raises(StrategyError, match="reads dropout passes and the pool has none"):
        query(strategy, replace(a_pool(), samples=None, dimension_samples=None), 5, default_rng(0))


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s.needs_dimensions], ids=str)
def test_a_strategy_that_reads_dimensions_is_refused_by_a_scheme_without_them(strategy: Strategy) -> None:
    with pytest.raises(StrategyError, match="reads dimensions and the scheme has classes alone"):
        acquire(strategy, replace(a_pool(), n_dimensions=0), 5, default_rng(0))


@pytest.mark.parametrize(
    "strategy", [*(s for s in STRATEGIES if s.needs_probabilities), CoverageThenMargin(coverage_per_class=0)], ids=str
)
def test_nan_probabilities_are_refused(strategy: Strategy) -> None:
    pool = a_pool()
    assert pool.probabilities is not None
    pool.probabilities[17, 2] = np.nan
    told = r"1 of \d+ clips have NaN" if isinstance(strategy, Wrapper) else r"1 of 450 clips have NaN.*position 17"
    with pytest.raises(StrategyError, match=told):
        query(strategy, pool, 5, default_rng(0))


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if not isinstance(s, Random)], ids=str)
def test_broken_embeddings_are_refused_by_what_reads_them(strategy: Strategy) -> None:
    pool = a_pool()
    pool.embeddings[3, 1] = np.inf
    plain_margin = CoverageThenMargin(coverage_per_class=0, candidates_per_pick=1)
    clustered = isinstance(strategy, Explored | RandomShare)
    if not clustered and (isinstance(innermost(strategy), READS_NO_EMBEDDING) or strategy == plain_margin):
        assert_positions(query(strategy, pool, 5, default_rng(0)), 5, pool)
    else:
        with pytest.raises(StrategyError, match="embed these clips again"):
            query(strategy, pool, 5, default_rng(0))


@pytest.mark.parametrize("strategy", [Entropy(), LeastConfidence(), Margin(), CoreSet(), GreedyX()], ids=str)
def test_the_same_clips_are_chosen_in_whatever_order_the_pool_comes(strategy: Strategy) -> None:
    """Where the definition has no chance in it, positions follow the clips."""
    pool = a_pool()
    assert pool.probabilities is not None
    order = default_rng(5).permutation(len(pool))
    turned = replace(pool, embeddings=pool.embeddings[order], probabilities=pool.probabilities[order])
    straight = query(strategy, pool, 30, default_rng(0)).positions
    np.testing.assert_array_equal(order[query(strategy, turned, 30, default_rng(1)).positions], straight)


@pytest.mark.parametrize("strategy", [Entropy(), LeastConfidence(), Margin()], ids=str)
def test_ties_are_broken_by_the_seed_and_not_by_the_order_of_the_pool(strategy: Strategy) -> None:
    pool = replace(a_pool(), probabilities=np.full((450, 7), 1 / 7, np.float32))
    chosen = [query(strategy, pool, 20, default_rng(seed)).positions for seed in (1, 1, 2)]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert set(chosen[0].tolist()) != set(chosen[2].tolist())
    assert set(chosen[0].tolist()) != set(range(20))


@pytest.mark.parametrize("strategy", [Random(), TypiClust(), parse_strategy("badge")], ids=str)
def test_another_seed_gives_another_selection(strategy: Strategy) -> None:
    first, second = (query(strategy, a_pool(), 25, default_rng(seed)).positions for seed in (0, 1))
    assert set(first.tolist()) != set(second.tolist())
