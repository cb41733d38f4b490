"""The quantiser, against that of `transformers`."""

import numpy as np
import pytest
import torch

from tapt.quantiser import GumbelQuantiser, Quantised, gumbel_noise


@pytest.fixture
def pair():
    from transformers import Wav2Vec2Config
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2GumbelVectorQuantizer

    config = Wav2Vec2Config(num_codevector_groups=2, num_codevectors_per_group=6, codevector_dim=8, conv_dim=(12,) * 7)
    theirs = Wav2Vec2GumbelVectorQuantizer(config)
    torch.manual_seed(0)
    ours = GumbelQuantiser(12, 2, 6, 8)
    theirs.load_state_dict(ours.state_dict())
    theirs.temperature = 0.7
    return ours, theirs


def their_noise(frames: int) -> torch.Tensor:
    """What `gumbel_softmax` draws next from torch's global generator."""
    return -torch.empty(frames, 2, 6).exponential_().log()


@pytest.mark.parametrize("training", [True, False])
def test_it_chooses_as_the_one_of_transformers(pair, training: bool) -> None:
    ours, theirs = (one.train(training) for one in pair)
    frames = torch.randn(1, 40, 12, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(3)
    vectors, perplexity = theirs(frames, torch.ones(1, 40, dtype=torch.bool))
    torch.manual_seed(3)
    found = ours(frames[0], 0.7, their_noise(40) if training else None)
    assert torch.allclose(found.vectors, vectors[0], atol=1e-6)
    if training:  # in evaluation theirs is the perplexity of the hard choices
        assert found.perplexity.item() == pytest.approx(perplexity.item(), rel=1e-5)


def test_the_gradient_goes_straight_through_as_theirs(pair) -> None:
    ours, theirs = (one.train() for one in pair)
    frames = torch.randn(1, 40, 12, generator=torch.Generator().manual_seed(1))
    weight = torch.randn(40, 8, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(3)
    (theirs(frames)[0][0] * weight).sum().backward()
    torch.manual_seed(3)
    (ours(frames[0], 0.7, their_noise(40)).vectors * weight).sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_a_code_says_which_entry_of_each_group_a_vector_is(pair) -> None:
    ours, _ = pair
    found = ours(torch.randn(30, 12), 2.0, their_noise(30))
    entries = ours.codevectors.view(2, 6, 4)
    literal = torch.stack([torch.cat([entries[g, code] for g, code in enumerate(row)]) for row in found.codes])
    assert torch.allclose(found.vectors, literal, atol=1e-6)


def test_noise_is_standard_gumbel() -> None:
    noise = gumbel_noise(500, 2, 40, np.random.default_rng(0))
    assert noise.shape == (500, 2, 40)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.02)
    assert noise.var().item() == pytest.approx(torch.pi**2 / 6, rel=0.03)


def test_the_perplexity_is_the_number_of_entries_when_all_are_as_likely(pair) -> None:
    ours, _ = pair
    torch.nn.init.zeros_(ours.weight_proj.weight)
    assert ours(torch.randn(30, 12), 1.0, None).perplexity.item() == pytest.approx(12.0)


def test_noise_is_finite_however_small_the_draw() -> None:
    class Least(np.random.Generator):
        def standard_exponential(self, *given: object, **named: object) -> np.ndarray:
            return np.zeros((2, 1, 3), np.float32)

    assert torch.isfinite(gumbel_noise(2, 1, 3, Least(np.random.PCG64(0)))).all()


def test_an_entry_nobody_chooses_leaves_the_gradient_of_the_perplexity_finite() -> None:
    mean = torch.tensor([[0.0, 0.25, 0.75]], requires_grad=True)
    perplexity = Quantised(torch.zeros(1, 2), torch.zeros(1, 1, dtype=torch.int64), mean).perplexity
    perplexity.backward()
    assert perplexity.item() == pytest.approx(np.exp(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75))), rel=1e-5)
    assert mean.grad is not None and bool(mean.grad.isfinite().all())
