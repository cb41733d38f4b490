"""Optimiser steps, float16's scale among them: on a CPU here, which trains in it too slowly to be offered."""

from copy import deepcopy

import pytest
import torch

from al_core.features import FeatureStore
from al_core.peft import methods
from al_core.peft.specs import LastK
from al_core.processes.ranks import Alone
from al_core.recipe import Recipe
from al_core.training import gradients as gradients_
from al_core.training.descent import Descent
from al_core.training.gradients import Gradients
from al_core.training.run import Run
from al_core.training.weights import snapshot

WHOLE = [[0, 1, 2, 3, 4, 5]]


@pytest.fixture
def begun(without_dropout, store: FeatureStore, voices, schemes, monkeypatch):
    def made(dtype: torch.dtype) -> Descent:
        monkeypatch.setattr(gradients_, "compute_dtype", lambda precision, device: dtype)
        recipe = Recipe(method=LastK(k=2), epochs=20)
        train, encoder = voices(0, 6), without_dropout("whisper")
        torch.manual_seed(0)
        network = methods.build(recipe, schemes["classes"], encoder)
        frames = methods.frames(recipe, network, encoder, store)
        list(frames.prepare(train.clips))
        return Descent.begin(
            Gradients.of(Run(recipe, schemes["classes"], encoder, store, train, None), network, frames)
        )

    return made


def steps(descent: Descent, first: int, n: int) -> list[float]:
    return [descent.step(descent.order(step, 1, WHOLE), Alone()) for step in range(first, first + n)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_steps_lower_the_loss_in_every_type(begun, dtype):
    losses = steps(begun(dtype), 1, 12)
    assert losses[-1] < losses[0] - 0.05


def test_float16_gradients_are_those_of_float32_whatever_the_scale(begun):
    exact, scaled = begun(torch.float32), begun(torch.float16)
    assert scaled.order(1, 1, WHOLE).scale == 65_536
    assert exact.order(1, 1, WHOLE).scale == 1
    assert steps(scaled, 1, 3) == pytest.approx(steps(exact, 1, 3), abs=0.02)


def test_a_step_that_overflows_changes_nothing_and_the_next_is_tried_at_half_the_scale(begun):
    descent = begun(torch.float16)
    descent.scaler.update(2.0**40)
    before = snapshot(descent.gradients.network)
    (loss,) = steps(descent, 1, 1)
    assert loss == pytest.approx(1.0, abs=1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in snapshot(descent.gradients.network).items())
    assert descent.order(2, 1, WHOLE).scale == 2.0**39


def test_a_gradient_that_is_not_finite_stops_a_step_in_other_types(begun):
    descent = begun(torch.float32)
    weight = next(iter(descent.weights.values()))
    weight.register_hook(lambda gradient: gradient * torch.inf)
    before = weight.detach().clone()
    (loss,) = steps(descent, 1, 1)
    assert not torch.isfinite(torch.tensor(loss))
    assert torch.equal(weight, before)


def test_the_scale_and_the_moments_survive_being_packed(begun):
    descent = begun(torch.float16)
    steps(descent, 1, 2)
    descent.scaler.update(1024.0)
    packed, weights = deepcopy(descent.pack()), snapshot(descent.gradients.network)
    on = steps(descent, 3, 2)
    other = begun(torch.float16)
    for name, tensor in weights.items():
        if name in other.weights:
            other.weights[name].data.copy_(tensor)
    other.unpack(packed)
    assert other.order(3, 1, WHOLE).scale == 1024
    assert steps(other, 3, 2) == on
