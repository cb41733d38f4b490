"""Poolings and the categorical head: padding is invisible, and a head can start as a logistic regression."""

import numpy as np
import pytest
import torch

from al_core.heads import CategoricalHead, masked_mean, masked_mean_std, pool
from al_core.logistic import fit_logistic


@pytest.fixture
def padded() -> tuple[torch.Tensor, torch.Tensor]:
    """Three clips of 5, 3 and 1 frames; the padding holds infinities."""
    frames = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    frame_mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    return frames.masked_fill(~frame_mask.unsqueeze(-1), float("inf")), frame_mask


def test_masked_mean_is_the_mean_of_each_clip_alone(padded):
    frames, frame_mask = padded
    alone = torch.stack([frames[i, frame_mask[i]].mean(dim=0) for i in range(3)])
    torch.testing.assert_close(masked_mean(frames, frame_mask), alone)


def test_masked_deviation_is_the_population_deviation_of_each_clip_alone(padded):
    frames, frame_mask = padded
    alone = torch.stack([frames[i, frame_mask[i]].std(dim=0, correction=0) for i in range(3)])
    torch.testing.assert_close(masked_mean_std(frames, frame_mask)[:, 4:], alone, atol=2e-5, rtol=1e-5)


def test_the_gradient_of_a_one_frame_clip_s_deviation_is_finite(padded):
    frames, frame_mask = padded
    frames = frames.clone().requires_grad_(True)
    masked_mean_std(frames, frame_mask).sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()


@pytest.mark.parametrize("pooling", ["mean", "mean_std"])
def test_a_head_started_from_a_logistic_regression_gives_its_probabilities(pooling):
    frames = torch.randn(40, 6, 5, generator=torch.Generator().manual_seed(1))
    frame_mask = torch.ones(40, 6, dtype=torch.bool)
    targets = np.eye(4, dtype=np.float32)[np.arange(40) % 3]  # the fourth class never occurs
    pooled = pool(frames, frame_mask, pooling).numpy()
    logistic = fit_logistic(pooled, targets, 1.0, class_weighted=True)
    head = CategoricalHead(5, 4, pooling)
    head.start_from(logistic)
    probabilities = head(frames, frame_mask).softmax(dim=-1).detach().numpy()
    np.testing.assert_allclose(probabilities, logistic.probabilities(pooled), atol=1e-5)
    np.testing.assert_array_equal(probabilities[:, 3], 0)
