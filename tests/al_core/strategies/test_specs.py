"""Descriptions of strategies."""

import pytest

from al_core.strategies.specs import (
    STRATEGY_NAMES,
    CoverageThenMargin,
    Modal,
    StrategyError,
    TypiClust,
    parse_strategy,
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
