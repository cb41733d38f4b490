"""Descriptions of strategies."""

import pytest

from al_core.strategies.specs import (
    STRATEGY_NAMES,
    Bald,
    Constrained,
    CostAware,
    CoverageThenMargin,
    DropQuery,
    DurationQuotas,
    Explored,
    Margin,
    Modal,
    Passes,
    PowerBald,
    ProbCover,
    Random,
    RandomShare,
    Sharded,
    StrategyError,
    TypiClust,
    as_begun,
    name_of,
    parse_strategy,
    passes_of,
)


def test_a_strategy_is_named_by_its_kind() -> None:
    assert [parse_strategy(name).kind for name in STRATEGY_NAMES] == list(STRATEGY_NAMES)


def test_an_import_path_is_a_modal_callable() -> None:
    assert parse_strategy("modAL.uncertainty:margin_sampling") == Modal(path="modAL.uncertainty:margin_sampling")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(StrategyError, match="unknown strategy 'marginal': choose from random, entropy"):
        parse_strategy("marginal")


def test_parameters_that_mean_nothing_are_refused_by_name() -> None:
    with pytest.raises(StrategyError, match="neighbours is 0"):
        TypiClust(neighbours=0)
    with pytest.raises(StrategyError, match="candidates_per_pick is 0"):
        CoverageThenMargin(candidates_per_pick=0)
    with pytest.raises(StrategyError, match="coverage_per_class is -1"):
        CoverageThenMargin(coverage_per_class=-1)
    with pytest.raises(StrategyError, match="passes is 1: it must be at least 2"):
        Bald(passes=1)
    with pytest.raises(StrategyError, match="dropout is 1"):
        DropQuery(dropout=1)
    with pytest.raises(StrategyError, match="power is 0"):
        PowerBald(power=0)
    with pytest.raises(StrategyError, match="radius is 3"):
        ProbCover(radius=3)


def test_wrappers_that_mean_nothing_are_refused_by_name() -> None:
    with pytest.raises(StrategyError, match="per_speaker is 0"):
        Constrained(Margin(), per_speaker=0)
    with pytest.raises(StrategyError, match="bounds_s is"):
        DurationQuotas(Margin(), bounds_s=(2.0, 1.0), shares=(0.2, 0.3, 0.5))
    with pytest.raises(StrategyError, match="one more than bounds_s"):
        DurationQuotas(Margin(), bounds_s=(2.0,), shares=(1.0,))
    with pytest.raises(StrategyError, match="1 together"):
        DurationQuotas(Margin(), bounds_s=(2.0,), shares=(0.5, 0.6))
    with pytest.raises(StrategyError, match="overhead_s is -1"):
        CostAware(Margin(), overhead_s=-1)
    with pytest.raises(StrategyError, match=r"share is 1\.5"):
        RandomShare(Margin(), share=1.5)
    with pytest.raises(StrategyError, match="shard_rows is 0: it must be at least 1"):
        Sharded(Margin(), shard_rows=0)
    with pytest.raises(StrategyError, match="candidates_per_pick is 0"):
        Sharded(Margin(), candidates_per_pick=0)


def test_a_wrapper_needs_what_is_inside_it_and_begins_around_chance() -> None:
    wrapped = Constrained(Explored(Bald(passes=7)), per_speaker=3)
    assert wrapped.needs_probabilities
    assert passes_of(wrapped) == Passes(7, 0.5)
    assert passes_of(Constrained(Margin())) is None
    assert as_begun(wrapped) == Constrained(Explored(Random()), per_speaker=3)
    assert name_of(wrapped) == "constrained(explored(bald))"
    assert name_of(Modal("a.b:c")) == "a.b:c"
