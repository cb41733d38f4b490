"""Heads: padding is invisible, halves of precision survive, and a linear head starts as the probe it would be."""

import numpy as np
import pytest
import torch

from al_core.features import Clip
from al_core.heads import Head, build_head, build_pool, masked_mean, masked_mean_std
from al_core.linear.logistic import fit_logistic
from al_core.linear.ridge import fit_ridge
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips, to_unit

CLASSES = ("anger", "joy", "neutral", "unheard")
BOTH = Scheme(CLASSES, (Dimension("valence", 1, 5), Dimension("arousal", -1, 1)))
SCHEMES = {"classes": Scheme(CLASSES), "dimensions": Scheme((), BOTH.dimensions), "both": BOTH}
POOLINGS = ("mean", "mean_std", "attentive")
KINDS = ("linear", "conv")
every_head = pytest.mark.parametrize("kind", KINDS)
every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


@pytest.fixture(autouse=True)
def one_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def padded() -> tuple[torch.Tensor, torch.Tensor]:
    """Three clips of 5, 3 and 1 frames; the padding holds infinities."""
    frames = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    frame_mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    return frames.masked_fill(~frame_mask.unsqueeze(-1), float("inf")), frame_mask


def settled(kind, pooling, scheme, width=4) -> Head:
    """A head whose attention looks at some frames more than at others, without dropout."""
    head = build_head(kind, pooling, width, scheme).eval()
    if pooling == "attentive":
        torch.nn.init.normal_(head.trunk.pool.score.weight)
    return head


def labelled(n: int = 40) -> LabelledClips:
    """Three of the four classes, some clips without one; some values missing, and a clip without any."""
    rng = np.random.default_rng(0)
    targets = np.eye(4, dtype=np.float32)[np.arange(n) % 3]
    targets[5] = [0.5, 0.5, 0, 0]
    dimensions = np.stack([rng.uniform(1, 5, n), rng.uniform(-1, 1, n)], axis=1).astype(np.float32)
    targets[7], dimensions[9], dimensions[3, 0] = 0, np.nan, np.nan
    clips = tuple(Clip(f"clip-{i}", 1.0, None, lambda: np.zeros(16_000, dtype=np.float32)) for i in range(n))
    return LabelledClips(clips, targets, dimensions)


def test_masked_mean_is_the_mean_of_each_clip_alone(padded):
    frames, frame_mask = padded
    alone = torch.stack([frames[i, frame_mask[i]].mean(dim=0) for i in range(3)])
    torch.testing.assert_close(masked_mean(frames, frame_mask), alone)


def test_masked_deviation_is_the_population_deviation_of_each_clip_alone(padded):
    frames, frame_mask = padded
    alone = torch.stack([frames[i, frame_mask[i]].std(dim=0, correction=0) for i in range(3)])
    torch.testing.assert_close(masked_mean_std(frames, frame_mask)[:, 4:], alone, atol=2e-5, rtol=1e-5)


def test_attentive_pooling_is_the_weighted_mean_and_deviation_of_each_clip_alone(padded):
    frames, frame_mask = padded
    pool = build_pool("attentive", 4)
    torch.nn.init.normal_(pool.score.weight, std=5)
    rows = []
    for i in range(3):
        own = frames[i, frame_mask[i]]  # (f, 4)
        energies = torch.stack([pool.score(torch.tanh(pool.hidden(frame)))[0] for frame in own])
        weights = [energy.exp() / energies.exp().sum() for energy in energies]
        mean = sum(w * frame for w, frame in zip(weights, own, strict=True))
        second = sum(w * (frame - mean) ** 2 for w, frame in zip(weights, own, strict=True))
        rows.append(torch.cat([mean, second.sqrt()]))
    torch.testing.assert_close(pool(frames, frame_mask), torch.stack(rows), atol=2e-5, rtol=1e-4)
    assert [weight.item() for weight in weights] == [1.0]  # the last clip's only frame


def test_attentive_pooling_starts_as_mean_and_deviation(padded):
    torch.testing.assert_close(build_pool("attentive", 4)(*padded), masked_mean_std(*padded))


@every_pooling
def test_the_gradient_of_a_one_frame_clip_is_finite_and_none_reaches_the_padding(pooling, padded):
    frames, frame_mask = padded
    frames = frames.clone().requires_grad_(True)
    build_pool(pooling, 4)(frames, frame_mask).sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()
    assert (frames.grad[~frame_mask] == 0).all()


@every_head
@every_pooling
def test_a_clip_s_outputs_do_not_depend_on_its_padding(kind, pooling, padded):
    frames, frame_mask = padded
    head = settled(kind, pooling, BOTH)
    together = head(frames, frame_mask)
    for i in range(3):
        own = frames[i : i + 1, : int(frame_mask[i].sum())]
        alone = head(own, torch.ones(own.shape[:2], dtype=torch.bool))
        torch.testing.assert_close(together.logits[i : i + 1], alone.logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.dimensions[i : i + 1], alone.dimensions, atol=1e-5, rtol=1e-5)


@every_head
@every_pooling
def test_gradients_are_finite_whatever_the_padding_holds(kind, pooling, padded):
    head = settled(kind, pooling, BOTH).train()
    outputs = head(*padded)
    (outputs.logits[:, :2].sum() + outputs.dimensions.sum()).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in head.parameters())


@every_head
@every_pooling
def test_under_bf16_autocast_outputs_are_float32_and_nearly_the_same(kind, pooling):
    head = settled(kind, pooling, BOTH, width=32)
    frames, frame_mask = torch.randn(4, 50, 32) + 3, torch.arange(50) < torch.tensor([[50], [31], [7], [1]])
    full = head(frames, frame_mask)
    with torch.autocast("cpu", torch.bfloat16):
        for half in (head(frames, frame_mask), head(frames.bfloat16(), frame_mask)):
            assert (half.logits.dtype, half.dimensions.dtype) == (torch.float32, torch.float32)
            torch.testing.assert_close(half.logits, full.logits, atol=0.06, rtol=0.02)
            torch.testing.assert_close(half.dimensions, full.dimensions, atol=0.06, rtol=0.02)


def test_autocast_does_not_round_the_logits_of_a_linear_head():
    head = settled("linear", "mean_std", BOTH, width=32)
    frames, frame_mask = 100 + torch.randn(4, 50, 32), torch.ones(4, 50, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        half = head(frames, frame_mask)
    torch.testing.assert_close(half.logits, head(frames, frame_mask).logits, atol=1e-6, rtol=1e-6)


@every_head
@every_pooling
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_every_weight_learns_within_two_steps(kind, pooling, scheme):
    head, train = build_head(kind, pooling, 6, scheme), labelled(12)
    frames, frame_mask = torch.randn(12, 5, 6), torch.ones(12, 5, dtype=torch.bool)
    head.begin(train)
    optimiser, reached = torch.optim.Adam(head.parameters(), lr=1e-2), set()
    for _ in range(2):
        optimiser.zero_grad()
        outputs = head(frames, frame_mask)
        (outputs.logits[:, :3].logsumexp(dim=-1).sum() + (outputs.dimensions**2).sum()).backward()
        reached |= {name for name, w in head.named_parameters() if w.grad is not None and bool((w.grad != 0).any())}
        optimiser.step()
    assert reached == {name for name, _ in head.named_parameters()}


@every_head
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_outputs_are_as_wide_as_the_scheme(kind, scheme):
    outputs = build_head(kind, "mean", 4, scheme)(torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool))
    assert outputs.logits.shape == (2, len(scheme.classes))
    assert outputs.dimensions.shape == (2, len(scheme.dimensions))


def test_peft_ser_s_head_has_its_paper_s_395_280_weights_with_those_of_12_layers():
    head = build_head("conv", "mean", 768, Scheme(("anger", "happiness", "neutral", "sadness")))
    assert sum(weight.numel() for weight in head.parameters()) + 12 == 395_280


def test_peft_ser_s_head_is_its_paper_s_pointwise_convolutions():
    head = settled("conv", "mean", Scheme(CLASSES), width=8)
    first, second, third = (
        torch.nn.Conv1d(linear.in_features, linear.out_features, 1)
        for linear in head.trunk.convs
        if isinstance(linear, torch.nn.Linear)
    )
    linears = [linear for linear in head.trunk.convs if isinstance(linear, torch.nn.Linear)]
    for conv, linear in zip((first, second, third), linears, strict=True):
        conv.load_state_dict({"weight": linear.weight.unsqueeze(-1), "bias": linear.bias})
    frames, lengths = torch.randn(3, 9, 8), torch.tensor([9, 4, 1])
    mask = (torch.arange(9) < lengths[:, None]).float()
    x = third(torch.relu(second(torch.relu(first(frames.transpose(1, 2)))))).transpose(1, 2)
    x = (x * mask.unsqueeze(-1)).sum(1) / lengths.unsqueeze(1)
    expected = head.classes.linear(torch.relu(head.trunk.hidden(x)))
    torch.testing.assert_close(head(frames, mask.bool()).logits, expected, atol=1e-5, rtol=1e-5)


@every_pooling
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_a_linear_head_starts_as_the_logistic_and_the_ridge_regression_of_what_it_pools(pooling, scheme):
    train = labelled()
    frames, frame_mask = torch.randn(40, 6, 5), torch.arange(6) < torch.arange(40)[:, None] % 6 + 1
    head = build_head("linear", pooling, 5, scheme)
    assert head.starts_as_probe
    pooled = head.pooled(frames, frame_mask).detach().numpy()
    head.start_from(pooled, train, class_weighted=True)
    outputs = head(frames, frame_mask)
    if scheme.classes:
        expected = fit_logistic(pooled, train.targets, 0.01, class_weighted=True).probabilities(pooled)
        np.testing.assert_allclose(outputs.logits.softmax(dim=-1).detach(), expected, atol=1e-5)
    if scheme.dimensions:
        expected = fit_ridge(pooled, to_unit(train.dimensions, scheme), 0.01).values(pooled)
        np.testing.assert_allclose(outputs.dimensions.detach(), expected, atol=1e-5)


@every_head
def test_a_class_never_seen_in_training_has_probability_0_and_dimensions_start_at_their_mean(kind):
    head, train = build_head(kind, "mean", 4, BOTH), labelled()
    head.begin(train)
    outputs = head(torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool))
    probabilities = outputs.logits.softmax(dim=-1)
    assert (probabilities[:, 3] == 0).all()
    assert (probabilities[:, :3] > 0).all()
    expected = np.nanmean(to_unit(train.dimensions, BOTH), axis=0)
    np.testing.assert_allclose(head.dimensions.linear.bias.detach(), expected, rtol=1e-6)


def test_a_head_with_a_hidden_layer_says_that_it_starts_as_no_probe():
    head = build_head("conv", "mean", 4, BOTH)
    assert not head.starts_as_probe
    with pytest.raises(TypeError, match="call begin"):
        head.start_from(np.zeros((40, 256), dtype=np.float32), labelled(), class_weighted=True)


@every_head
@every_pooling
def test_a_head_s_state_gives_the_same_outputs_elsewhere(kind, pooling):
    frames, frame_mask = torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)
    head, other = settled(kind, pooling, BOTH), build_head(kind, pooling, 4, BOTH).eval()
    head.begin(labelled())
    other.load_state_dict(head.state_dict())
    torch.testing.assert_close(other(frames, frame_mask), head(frames, frame_mask), atol=0, rtol=0)
