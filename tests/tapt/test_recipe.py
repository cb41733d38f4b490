import json
from typing import Any

import pytest

from tapt.recipe import (
    Contrastive,
    Everything,
    FeedForwardLora,
    LastBlocks,
    LocalAttributes,
    MaskedUnits,
    TaptRecipe,
    TaptRecipeError,
    tapt_recipe_from_dict,
    tapt_recipe_to_dict,
)

RECIPES = [
    TaptRecipe(),
    TaptRecipe(MaskedUnits(layers=(1, 3), predicted_at=(2, -1), stages=2), scope=LastBlocks(k=3)),
    TaptRecipe(Contrastive(mask_share=0.07, gumbel_factor=0.99), scope=FeedForwardLora(last=2), precision="bf16"),
    TaptRecipe(LocalAttributes(layer=2), steps=500),
    TaptRecipe(scope=Everything(front_end=True)),
]


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
        {"checkpoint_every": 0},
        {"seed": -1},
    ],
)
def test_a_run_that_cannot_work_is_refused_by_its_field(field: dict[str, Any]) -> None:
    with pytest.raises(TaptRecipeError, match=next(iter(field))):
        TaptRecipe(**field)


@pytest.mark.parametrize(
    ("objective", "field"),
    [
        (MaskedUnits, {"units": 1}),
        (MaskedUnits, {"units": 40_000}),
        (MaskedUnits, {"layers": (-2,)}),
        (MaskedUnits, {"layers": ()}),
        (MaskedUnits, {"layers": (1, 1)}),
        (MaskedUnits, {"predicted_at": (0,)}),
        (MaskedUnits, {"stages": 0}),
        (MaskedUnits, {"layers": (1, 2), "first_units": "mfcc"}),
        (MaskedUnits, {"visible_weight": -0.1}),
        (MaskedUnits, {"mask_share": 1.0}),
        (MaskedUnits, {"mask_span": 0}),
        (MaskedUnits, {"temperature": 0.0}),
        (Contrastive, {"groups": 0}),
        (Contrastive, {"entries": 1}),
        (Contrastive, {"quantiser_warmup_share": 1.0}),
        (Contrastive, {"negatives": 0}),
        (Contrastive, {"diversity_weight": -1.0}),
        (Contrastive, {"gumbel_end": 0.0}),
        (Contrastive, {"gumbel_start": 0.1}),
        (Contrastive, {"gumbel_factor": 1.1}),
        (Contrastive, {"mask_span": 1}),
        (LocalAttributes, {"layer": 0}),
        (LocalAttributes, {"width": 100}),
        (LocalAttributes, {"blocks": 0}),
        (LocalAttributes, {"heads": 0}),
        (LocalAttributes, {"dropout": 1.0}),
        (LocalAttributes, {"learning_rate": 0.0}),
        (LocalAttributes, {"attributes": 1}),
        (LocalAttributes, {"refresh_epochs": 0}),
        (LocalAttributes, {"distillation_weight": -0.1}),
        (LocalAttributes, {"ema_start": 0.99999}),
        (LocalAttributes, {"ema_end": 1.0}),
        (LastBlocks, {"k": 0}),
        (FeedForwardLora, {"rank": 0}),
        (FeedForwardLora, {"alpha": 0.0}),
        (FeedForwardLora, {"last": 0}),
    ],
)
def test_an_objective_or_a_scope_that_cannot_work_is_refused_by_its_field(
    objective: type, field: dict[str, Any]
) -> None:
    with pytest.raises(TaptRecipeError, match=f"^{next(iter(field))} is"):
        objective(**field)


def test_an_adapter_over_a_frozen_encoder_has_no_scope() -> None:
    with pytest.raises(TaptRecipeError, match="scope is lora: local_attributes leaves the encoder frozen"):
        TaptRecipe(LocalAttributes(), scope=FeedForwardLora())


def test_a_stage_has_a_step_at_least() -> None:
    with pytest.raises(TaptRecipeError, match="stages is 5: it must be at most one a step"):
        TaptRecipe(MaskedUnits(stages=5), steps=4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_comes_back_from_json(recipe: TaptRecipe) -> None:
    assert tapt_recipe_from_dict(json.loads(json.dumps(tapt_recipe_to_dict(recipe)))) == recipe


def test_recipes_of_before_there_were_scopes_are_read() -> None:
    older = {"objective": {"kind": "masked_units", "units": 20, "layer": 2}, "steps": 10, "train_last": 2}
    assert tapt_recipe_from_dict(older) == TaptRecipe(
        MaskedUnits(units=20, layers=(2,)), steps=10, scope=LastBlocks(k=2)
    )
    assert tapt_recipe_from_dict({"train_last": 0}) == TaptRecipe()


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        ({"objective": {"kind": "guessing"}}, "recipe.objective.kind is 'guessing': use masked_units, contrastive"),
        ({"objective": {"kind": "contrastive", "units": 5}}, "recipe.objective.units is unknown"),
        ({"objective": {"units": "many"}}, "recipe.objective.units is 'many': it must be a whole number"),
        ({"scope": {"kind": "last_blocks", "k": 0}}, "recipe.scope.k is 0"),
        ({"precision": "fp16"}, "recipe.precision is 'fp16': it must be one of fp32, bf16"),
    ],
)
def test_what_is_no_recipe_is_refused_by_the_path_of_its_field(plain: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TaptRecipeError, match=sentence):
        tapt_recipe_from_dict(plain)
