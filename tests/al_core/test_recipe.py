"""Recipes: refused by field when they cannot work, and unchanged by a trip through JSON."""

import json

import pytest

from al_core.peft.specs import Adapter, Combined, Full, Gate, LastK, Lora, Probe, WeightedSum
from al_core.recipe import (
    Augment,
    Recipe,
    RecipeError,
    Start,
    check_learns,
    recipe_from_dict,
    recipe_to_dict,
    resolve_layer,
    resolve_learning_rate,
)
from al_core.scheme import Dimension, Scheme


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(layer=2, pooling="mean_std", normalise_speakers=True, method=Probe(c=0.1)),
        Recipe(method=LastK(k=3), cache="float32", epochs=4),
        Recipe(method=Lora(rank=8, dropout=0.1), precision="bf16", seed=7),
        Recipe(method=Lora(targets=("q_proj", "v_proj"), last=3), head="conv", pooling="attentive"),
        Recipe(method=Combined(parts=(Adapter(), Lora(), WeightedSum(), Gate())), loss="focal", accumulate=2),
        Recipe(method=Full(), cache="off", augment=Augment(), start=Start("runs/a", "stack", (("joy", "happiness"),))),
    ],
)
def test_a_recipe_survives_json(recipe):
    assert recipe_from_dict(json.loads(json.dumps(recipe_to_dict(recipe)))) == recipe


def test_absent_fields_keep_their_defaults():
    assert recipe_from_dict({"method": {"kind": "last_k"}}) == Recipe(method=LastK())
    assert recipe_from_dict({}) == Recipe()


def test_a_recipe_of_before_keeps_the_cache_its_method_named():
    assert recipe_from_dict({"method": {"kind": "last_k", "k": 3, "cache": "float32"}}) == Recipe(
        method=LastK(k=3), cache="float32"
    )


@pytest.mark.parametrize(
    ("plain", "field"),
    [
        ({"epoch": 3}, r"recipe\.epoch is unknown"),
        ({"epochs": "3"}, r"recipe\.epochs is '3'"),
        ({"epochs": True}, r"recipe\.epochs is True"),
        ({"epochs": 0}, r"recipe\.epochs is 0"),
        ({"learning_rate": float("nan")}, r"recipe\.learning_rate"),
        ({"weight_decay": float("inf")}, r"recipe\.weight_decay is inf: it must be a finite number"),
        ({"method": {"kind": "probe", "c": 10**400}}, r"recipe\.method\.c is 1"),
        ({"learning_rate": "fast"}, r"recipe\.learning_rate is 'fast': it must be a finite number or null"),
        ({"pooling": "max"}, r"recipe\.pooling is 'max'.*mean, mean_std"),
        ({"layer": -2}, r"recipe\.layer is -2"),
        ({"seed": -1}, r"recipe\.seed"),
        ({"method": "lora"}, r"recipe\.method is 'lora'"),
        ({"method": {"kind": "prefix"}}, r"recipe\.method\.kind is 'prefix'.*bitfit"),
        ({"method": {"kind": "lora", "targets": []}}, r"recipe\.method\.targets is empty"),
        ({"method": {"kind": "combined", "parts": [{"kind": "lora"}]}}, r"recipe\.method\.parts has 1"),
        ({"method": {"kind": "combined", "parts": [{"kind": "lora"}, {"kind": "lora"}]}}, r"names lora twice"),
        (
            {"method": {"kind": "combined", "parts": [{"kind": "gate"}, {"kind": "ia3", "last": 0}]}},
            r"parts\.1\.last is 0",
        ),
        ({"method": {"kind": "lora"}, "augment": {}}, r"recipe\.augment .*recipe\.cache"),
        ({"augment": {"probability": 0}}, r"recipe\.augment\.probability is 0"),
        ({"start": {"checkpoint": "x"}}, r"recipe\.start needs a method that trains"),
        ({"start": {"checkpoint": 3}}, r"recipe\.start\.checkpoint is 3: it must be a text"),
        ({"pooling": "attentive"}, r"recipe\.pooling needs a method that trains"),
        ({"method": {"kind": "lora", "rank": 0}}, r"recipe\.method\.rank is 0"),
        ({"method": {"kind": "lora", "k": 1}}, r"recipe\.method\.k is unknown"),
        ({"method": {"kind": "last_k", "k": 0}}, r"recipe\.method\.k is 0"),
        ({"method": {"kind": "probe", "c": 0}}, r"recipe\.method\.c is 0"),
        ({"method": {"kind": "lora"}, "normalise_speakers": True}, r"recipe\.normalise_speakers"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_by_the_field_s_name(plain, field):
    with pytest.raises(RecipeError, match=field):
        recipe_from_dict(plain)


AROUSAL = Scheme((), (Dimension("arousal", 1, 5),))
BOTH = Scheme(("anger", "sadness"), AROUSAL.dimensions)


@pytest.mark.parametrize(
    ("recipe", "scheme", "field"),
    [
        (Recipe(method=Full(), dimension_weight=0), AROUSAL, r"recipe\.dimension_weight is 0"),
        (Recipe(method=Full(), minibatch=1), AROUSAL, r"recipe\.minibatch is 1"),
        (Recipe(method=Full(), minibatch=1), BOTH, r"recipe\.minibatch is 1"),
    ],
)
def test_a_recipe_that_cannot_learn_a_scheme_is_refused(recipe, scheme, field):
    with pytest.raises(RecipeError, match=field):
        check_learns(recipe, scheme)


@pytest.mark.parametrize(
    ("recipe", "scheme"),
    [
        (Recipe(method=Full(), dimension_weight=0, minibatch=1), BOTH),
        (Recipe(method=Full(), minibatch=1), Scheme(BOTH.classes)),
        (Recipe(method=Probe(), minibatch=1, dimension_weight=0), AROUSAL),
    ],
)
def test_a_recipe_that_has_something_to_learn_is_not_refused(recipe, scheme):
    check_learns(recipe, scheme)


def test_the_last_layer_is_minus_1_and_a_layer_the_encoder_lacks_is_refused():
    assert resolve_layer(-1, 12) == 12
    assert resolve_layer(0, 12) == 0
    with pytest.raises(RecipeError, match="hidden states 0 to 12"):
        resolve_layer(13, 12)


def test_a_method_has_its_own_learning_rate_unless_the_recipe_says_otherwise():
    assert resolve_learning_rate(Recipe(method=LastK())) < resolve_learning_rate(Recipe(method=Lora()))
    assert resolve_learning_rate(Recipe(method=LastK(), learning_rate=0.5)) == 0.5
