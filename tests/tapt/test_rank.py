import math

import pytest
import torch

from tapt.rank import ROWS, embedding_rank


def test_the_rank_is_that_of_its_definition() -> None:
    frames = torch.randn(60, 12, generator=torch.Generator().manual_seed(0))
    singular = torch.linalg.svdvals(frames.double())
    p = singular / singular.sum()
    assert embedding_rank(frames) == pytest.approx(float((-(p * p.log()).sum()).exp()))
    assert 9 < embedding_rank(frames) < 12


def test_frames_that_are_all_the_same_or_on_one_line_have_rank_1() -> None:
    frame = torch.arange(1.0, 9.0)
    assert embedding_rank(frame.expand(50, 8)) == pytest.approx(1.0, abs=1e-3)
    assert embedding_rank(torch.linspace(-3, 3, 40)[:, None] * frame) == pytest.approx(1.0, abs=1e-3)


def test_frames_that_are_not_finite_have_none() -> None:
    assert math.isnan(embedding_rank(torch.tensor([[1.0, float("nan")], [0.0, 1.0]])))


def test_of_many_frames_evenly_spaced_ones_are_looked_at() -> None:
    frames = torch.zeros(3 * ROWS, 4)
    frames[::3, 0] = 1.0
    frames[1::3, 1] = 1.0
    assert embedding_rank(frames) == pytest.approx(1.0)
