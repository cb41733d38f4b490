"""Training losses, each against a second, literal implementation and torch's own where it has one."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from al_core.evaluation.metrics import ccc
from al_core.heads import Outputs
from al_core.losses import ccc_loss, smoothed, soft_cross_entropy, soft_focal, training_loss
from al_core.recipe import Recipe

LOWEST = torch.finfo(torch.float32).min


@pytest.fixture(autouse=True)
def one_seed() -> None:
    torch.manual_seed(0)


def classes(b: int = 6, c: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, soft targets (the first row hard) and class weights."""
    targets = torch.distributions.Dirichlet(torch.ones(c)).sample((b,))
    targets[0] = F.one_hot(torch.tensor(1), c)
    return torch.randn(b, c) * 2, targets, torch.rand(c) + 0.5


def values(b: int = 7, m: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and truth on the unit scale, with missing values."""
    truth = torch.rand(b, m)
    truth[0, 0], truth[2:4, 1] = math.nan, math.nan
    return torch.rand(b, m), truth


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_soft_cross_entropy_is_torch_s_on_distributions(smoothing):
    logits, targets, weights = classes()
    expected = F.cross_entropy(logits, targets, weights, label_smoothing=smoothing)
    torch.testing.assert_close(soft_cross_entropy(logits, smoothed(targets, logits, smoothing), weights), expected)


def test_soft_cross_entropy_is_its_formula_summed_by_hand():
    logits, targets, weights = classes()
    total = 0.0
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        normaliser = sum(math.exp(value) for value in row)
        for j, value in enumerate(row):
            total -= float(weights[j]) * target[j] * math.log(math.exp(value) / normaliser)
    assert float(soft_cross_entropy(logits, targets, weights)) == pytest.approx(total / 6, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.5])
def test_focal_is_its_formula_summed_by_hand(gamma):
    logits, targets, weights = classes()
    total = 0.0
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        normaliser = sum(math.exp(value) for value in row)
        for j, value in enumerate(row):
            p = math.exp(value) / normaliser
            total -= float(weights[j]) * target[j] * (1 - p) ** gamma * math.log(p)
    assert float(soft_focal(logits, targets, weights, gamma)) == pytest.approx(total / 6, rel=1e-4)


def test_focal_with_gamma_0_is_the_cross_entropy():
    logits, targets, weights = classes()
    torch.testing.assert_close(soft_focal(logits, targets, weights, 0.0), soft_cross_entropy(logits, targets, weights))


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0])
def test_focal_has_a_gradient_where_the_network_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    soft_focal(logits, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.ones(2), gamma).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1, 0] < -0.1


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_a_class_that_cannot_be_predicted_is_not_asked_for_when_labels_are_smoothed(loss):
    logits, targets = torch.randn(3, 4), torch.eye(4)[:3]
    barred = torch.cat([logits[:, :3], torch.full((3, 1), LOWEST)], dim=1).requires_grad_(True)
    recipe = Recipe(loss=loss, label_smoothing=0.1)
    nothing = torch.zeros(3, 0)
    found = training_loss(recipe, Outputs(barred, nothing), targets, None, torch.ones(4))
    without = training_loss(recipe, Outputs(logits[:, :3], nothing), targets[:, :3], None, torch.ones(3))
    torch.testing.assert_close(found, without)
    found.backward()
    assert barred.grad is not None
    assert barred.grad.isfinite().all()


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_clip_without_a_class_adds_nothing_to_the_loss_of_the_classes(loss, smoothing):
    logits, targets, weights = classes()
    targets[2:] = 0
    recipe = Recipe(loss=loss, label_smoothing=smoothing)
    nothing = torch.zeros(6, 0)
    found = training_loss(recipe, Outputs(logits, nothing), targets, None, weights)
    two = training_loss(recipe, Outputs(logits[:2], nothing[:2]), targets[:2], None, weights)
    torch.testing.assert_close(found, two * 2 / 6)


def test_ccc_loss_is_the_sum_over_dimensions_of_1_minus_the_metric_over_known_values():
    predicted, truth = values()
    expected = 0.0
    for k in range(3):
        known = truth[:, k].isfinite()
        expected += 1 - ccc(truth[known, k].numpy(), predicted[known, k].numpy())
    assert float(ccc_loss(predicted, truth)) == pytest.approx(expected, rel=1e-4)


def test_ccc_loss_has_the_gradient_of_finite_differences_and_none_where_values_are_missing():
    predicted, truth = (tensor.double() for tensor in values())
    predicted.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: ccc_loss(x, truth), (predicted,))
    ccc_loss(predicted, truth).backward()
    assert predicted.grad is not None
    assert (predicted.grad[~truth.isfinite()] == 0).all()
    assert (predicted.grad[truth.isfinite()] != 0).all()


@pytest.mark.parametrize(
    ("truth", "loss"),
    [
        ([[0.5]], 1),
        ([[0.5], [0.5], [0.5]], 1),
        ([[0.5], [math.nan], [math.nan]], 1),
        ([[math.nan], [math.nan], [math.nan]], 0),
    ],
    ids=["one clip", "one value", "one known", "none known"],
)
@pytest.mark.parametrize("constant", [True, False])
def test_a_tiny_or_constant_minibatch_has_a_loss_and_a_gradient_of_0(truth, loss, constant):
    predicted = torch.full((len(truth), 1), 0.5) if constant else torch.rand(len(truth), 1)
    predicted.requires_grad_(True)
    found = ccc_loss(predicted, torch.tensor(truth))
    assert found.item() == pytest.approx(loss)
    found.backward()
    assert predicted.grad is not None
    torch.testing.assert_close(predicted.grad, torch.zeros_like(predicted), atol=1e-6, rtol=0)


def test_ccc_loss_falls_to_0_when_it_is_descended():
    truth = torch.rand(8, 2)
    predicted = torch.full((8, 2), 0.5, requires_grad=True)
    optimiser = torch.optim.Adam([predicted], lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        ccc_loss(predicted, truth).backward()
        optimiser.step()
    assert ccc_loss(predicted, truth).item() < 0.01


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_the_training_loss_is_that_of_the_classes_plus_the_weighted_one_of_the_dimensions(loss):
    (logits, targets, weights), (predicted, truth) = classes(7), values()
    recipe = Recipe(loss=loss, focal_gamma=1.5, label_smoothing=0.1, dimension_weight=0.3)
    smooth = smoothed(targets, logits, 0.1)
    of_classes = (
        soft_cross_entropy(logits, smooth, weights)
        if loss == "cross_entropy"
        else soft_focal(logits, smooth, weights, 1.5)
    )
    found = training_loss(recipe, Outputs(logits, predicted), targets, truth, weights)
    torch.testing.assert_close(found, of_classes + 0.3 * ccc_loss(predicted, truth))


def test_a_scheme_of_dimensions_alone_has_their_loss_alone():
    predicted, truth = values()
    found = training_loss(Recipe(), Outputs(torch.zeros(7, 0), predicted), torch.zeros(7, 0), truth, torch.zeros(0))
    torch.testing.assert_close(found, ccc_loss(predicted, truth))


def test_a_broken_prediction_makes_the_loss_nan_rather_than_hiding():
    predicted, truth = values()
    predicted[1, 2] = math.nan
    assert np.isnan(float(ccc_loss(predicted, truth)))
