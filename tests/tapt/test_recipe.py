from typing import Any

import pytest

from tapt.recipe import MaskedUnits, TaptRecipe, TaptRecipeError


@pytest.mark.parametrize(
    "field",
    [
        {"steps": 0},
        {"seconds_per_step": 0.0},
        {"learning_rate": 0.0},
        {"head_learning_rate": -1.0},
        {"warmup_share": 1.0},
        {"weight_decay": -0.1},
        {"clip_norm": 0.0},
        {"train_last": -1},
        {"checkpoint_every": 0},
        {"seed": -1},
    ],
)
def test_a_run_that_cannot_work_is_refused_by_its_field(field: dict[str, Any]) -> None:
    with pytest.raises(TaptRecipeError, match=next(iter(field))):
        TaptRecipe(**field)


@pytest.mark.parametrize(
    "field",
    [{"units": 1}, {"units": 40_000}, {"layer": -2}, {"mask_share": 1.0}, {"mask_span": 0}, {"temperature": 0.0}],
)
def test_an_objective_that_cannot_work_is_refused_by_its_field(field: dict[str, Any]) -> None:
    with pytest.raises(TaptRecipeError, match=next(iter(field))):
        MaskedUnits(**field)
