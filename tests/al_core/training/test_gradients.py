"""From positions of clips to gradients."""

import numpy as np
import pytest
import torch

from al_core.features import FeatureStore
from al_core.peft import methods
from al_core.peft.specs import LastK
from al_core.processes.ranks import Alone
from al_core.recipe import Augment, Recipe
from al_core.training.gradients import Gradients, StepOrder
from al_core.training.run import Run

HALVES = [[0, 3, 4], [1, 2, 5], [6]]
WHOLE = [[0, 3, 4, 1, 2, 5, 6]]


@pytest.fixture
def gradients_of(without_dropout, store: FeatureStore, voices, schemes):
    encoder = without_dropout("whisper")

    def made(recipe: Recipe, scheme: str) -> Gradients:
        train = voices(0, 7, schemes[scheme])
        torch.manual_seed(0)
        network = methods.build(recipe, schemes[scheme], encoder)
        frames = methods.frames(recipe, network, encoder, store)
        list(frames.prepare(train.clips))
        return Gradients.of(Run(recipe, schemes[scheme], encoder, store, train, None), network, frames)

    return made


def added(gradients: Gradients, minibatches: list[list[int]], epoch: int = 1) -> tuple[float, torch.Tensor]:
    """The loss of one step, and its gradients side by side."""
    gradients.network.zero_grad()
    loss = gradients.add(StepOrder(1, epoch, minibatches, scale=1.0), Alone())
    weights = [weight for weight in gradients.network.parameters() if weight.requires_grad]
    return loss, torch.cat([weight.grad.reshape(-1) for weight in weights if weight.grad is not None])


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_accumulated_minibatches_give_the_gradients_of_one_minibatch_of_their_union(gradients_of, loss):
    """Their sizes differ: each counts by its clips."""
    gradients = gradients_of(Recipe(method=LastK(k=2), loss=loss), "classes")
    parts, whole = added(gradients, HALVES), added(gradients, WHOLE)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-4, atol=1e-6)
    assert whole[1].abs().max() > 1e-3


def test_ccc_is_that_of_each_minibatch_weighed_by_its_clips_not_that_of_their_union(gradients_of):
    gradients = gradients_of(Recipe(method=LastK(k=2)), "dimensions")
    own = [added(gradients, [positions])[0] for positions in HALVES]
    together = sum(len(p) / 7 * loss for p, loss in zip(HALVES, own, strict=True))
    assert added(gradients, HALVES)[0] == pytest.approx(together, rel=1e-5)
    assert abs(added(gradients, WHOLE)[0] - together) > 1e-2


def test_a_loss_that_is_not_a_number_adds_no_gradient(gradients_of):
    gradients = gradients_of(Recipe(method=LastK(k=2)), "classes")
    with torch.no_grad():
        gradients.network.head.classes.linear.bias[0] = torch.nan
    loss = gradients.add(StepOrder(1, 1, WHOLE, scale=1.0), Alone())
    assert np.isnan(loss)
    assert all(weight.grad is None for weight in gradients.network.parameters())


def test_noise_is_drawn_anew_in_every_epoch_and_replays(gradients_of):
    recipe = Recipe(method=LastK(k=2), cache="off", augment=Augment(snr_low_db=0, snr_high_db=5))
    gradients = gradients_of(recipe, "classes")
    first, again, second = (added(gradients, WHOLE, epoch)[0] for epoch in (1, 1, 2))
    clean = added(gradients_of(Recipe(method=LastK(k=2), cache="off"), "classes"), WHOLE)[0]
    assert first == again
    assert len({first, second, clean}) == 3
