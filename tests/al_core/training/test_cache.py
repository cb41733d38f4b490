"""Cached and uncached partial fine-tuning are the same training (Sampath et al., arXiv:2503.03756)."""

from dataclasses import replace

import numpy as np
import pytest

from al_core.features import FeatureStore
from al_core.peft.specs import LastK, Lora
from al_core.recipe import Recipe
from al_core.train import fine_tune

STEPS = 10


def losses(recipe: Recipe, encoder, store, labelled, scheme) -> list[float]:
    told = [r.loss for r in fine_tune(recipe, scheme, encoder, store, labelled, None) if r.stage == "train"]
    return told[:STEPS]


@pytest.mark.parametrize("method", [LastK(k=2), Lora(last=2)], ids=lambda m: m.kind)
@pytest.mark.parametrize(("cache", "atol"), [("float16", 1e-3), ("float32", 2e-4)])
@pytest.mark.parametrize("family", ["whisper", "wav2vec2", "wavlm-stable"])
def test_with_dropout_off_the_losses_of_the_first_steps_are_those_without_a_cache(
    family, cache, atol, method, without_dropout, store: FeatureStore, voices, schemes
):
    """Only the first: Adam divides by the gradient's own size, so what rounding changes grows from step to step."""
    encoder = without_dropout(family)
    labelled = voices(0, 12, schemes["both"])
    uncached = Recipe(method=method, epochs=STEPS, minibatch=12, cache="off", learning_rate=2e-4)
    live = losses(uncached, encoder, store, labelled, schemes["both"])
    assert not store.root.exists(), "nothing is stored without a cache"
    cached = losses(replace(uncached, cache=cache), encoder, store, labelled, schemes["both"])
    assert store.root.exists()
    np.testing.assert_allclose(cached[0], live[0], rtol=0, atol=atol if cache == "float16" else 1e-6)
    np.testing.assert_allclose(cached, live, rtol=0, atol=atol)
    assert live[-1] < live[0] - 1e-2
