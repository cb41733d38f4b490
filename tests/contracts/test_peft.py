"""What every fine-tuning method owes every family of encoders."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from al_core.checkpoint import save_checkpoint
from al_core.classifier import Predictions
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TINY_FAMILIES, TinyFamily, build_tiny
from al_core.features import Clip, FeatureStore
from al_core.losses import soft_cross_entropy
from al_core.peft import methods
from al_core.peft.frames import CachedFrames, Frames, LiveFrames
from al_core.peft.network import Network
from al_core.peft.specs import (
    Adapter,
    BitFit,
    Combined,
    Dora,
    Full,
    Gate,
    Ia3,
    LastK,
    Lora,
    Method,
    Prompts,
    Trained,
    WeightedSum,
    parts_of,
)
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe, RecipeError
from al_core.scheme import Dimension, Scheme
from al_core.targets import one_hot

SCHEME = Scheme(("anger", "joy", "neutral"), (Dimension("arousal", 1, 5),))
LABELS = ["anger", "joy", "neutral", "joy", "anger", "joy"]
TRAINED: dict[str, Trained] = {
    "full": Full(),
    "full with the front end": Full(front_end=True),
    "last two": LastK(k=2),
    "bitfit": BitFit(),
    "lora": Lora(rank=4),
    "lora on the attention": Lora(rank=4, targets="attention"),
    "dora": Dora(rank=4),
    "dora on everything": Dora(rank=4, targets="all"),
    "ia3": Ia3(),
    "ia3 on everything": Ia3(targets="all"),
    "parallel adapter": Adapter(width=8),
    "sequential adapter": Adapter(width=8, placement="sequential"),
    "own prompts": Prompts(n=3),
    "shared prompts": Prompts(n=3, softmax="shared"),
    "weighted sum": WeightedSum(),
    "adapter, lora, sum, gate": Combined(parts=(Adapter(width=8), Lora(rank=4), WeightedSum(), Gate())),
    "gated lora": Combined(parts=(Lora(rank=4), Gate())),
    "gated prompts and lora above": Combined(parts=(Gate(), Prompts(n=3, last=1), Lora(rank=4, last=2))),
    "four in one linear": Combined(
        parts=(Dora(rank=4, targets="attention"), Lora(rank=4), Ia3(targets="all"), BitFit(), Prompts(n=3))
    ),
}
MERGEABLE = tuple(
    name for name, method in TRAINED.items() if not any(isinstance(p, Adapter | Prompts) for p in parts_of(method))
)


def speech(i: int) -> np.ndarray:
    """A tone of its own pitch and length in noise, 0.3 to 0.8 s."""
    rng = np.random.default_rng(i)
    t = np.arange(4_800 + 1_600 * i) / 16_000
    return (0.3 * np.sin(2 * np.pi * (150 + 60 * i) * t) + 0.02 * rng.standard_normal(len(t))).astype(np.float32)


def clips() -> tuple[Clip, ...]:
    return tuple(Clip(f"clip-{i}", len(speech(i)) / 16_000, "ada", lambda i=i: speech(i)) for i in range(6))


@dataclass(frozen=True)
class Opened:
    """One family's tiny encoder, and a store of its own."""

    folder: Path
    encoder: SpeechEncoder
    store: FeatureStore


@dataclass(frozen=True)
class Run:
    """A network after three steps, and what was seen on the way."""

    classifier: TunedClassifier
    idle: frozenset[str]  # trainable weights without a gradient in the first two steps
    moved: frozenset[str]  # frozen weights that changed
    n_trained: int


@functools.cache
def opened(family: TinyFamily) -> Opened:
    folder = Path(ROOT.name) / family
    encoder = open_encoder(build_tiny(family, folder / "fresh"))
    torch.manual_seed(1)
    for name, weight in encoder.named_parameters():
        if name.endswith("bias"):  # all zero in a fresh network, in no released one
            nn.init.normal_(weight, std=0.1)
    encoder.save(folder / "encoder")
    return Opened(folder, open_encoder(folder / "encoder"), FeatureStore(folder / "features"))


ROOT = tempfile.TemporaryDirectory()


def build(recipe: Recipe, family: TinyFamily) -> tuple[Network, Frames]:
    torch.manual_seed(recipe.seed)
    network = methods.build(recipe, SCHEME, opened(family).encoder).eval()
    frames = methods.frames(recipe, network, opened(family).encoder, opened(family).store)
    for _ in frames.prepare(clips()):
        pass
    return network, frames


def loss_of(network: Network, frames: Frames) -> Tensor:
    outputs = network(*frames.read(clips()))
    targets = torch.from_numpy(one_hot(LABELS, SCHEME))
    return soft_cross_entropy(outputs.logits, targets, torch.ones(3)) + outputs.dimensions.square().mean()


@functools.cache
@torch.enable_grad()
def trained(family: TinyFamily, method: str) -> Run:
    recipe = Recipe(method=TRAINED[method])
    network, frames = build(recipe, family)
    frozen = {name: w.clone() for name, w in network.named_parameters() if not w.requires_grad}
    trainable = {name: w for name, w in network.named_parameters() if w.requires_grad}
    optimiser = torch.optim.AdamW(trainable.values(), lr=3e-2)
    idle = set(trainable)
    for step in range(3):
        optimiser.zero_grad()
        loss_of(network, frames).backward()
        if step < 2:
            idle -= {name for name, w in trainable.items() if w.grad is not None and bool((w.grad != 0).any())}
        optimiser.step()
    moved = {name for name, w in network.named_parameters() if name in frozen and not torch.equal(w, frozen[name])}
    classifier = TunedClassifier(SCHEME, recipe, opened(family).encoder, network, frames)
    outside_head = [name for name in trainable if not name.startswith("head.")]
    return Run(classifier, frozenset(idle), frozenset(moved), len(outside_head))


@pytest.fixture(params=TINY_FAMILIES)
def family(request) -> TinyFamily:
    return request.param


@pytest.fixture(params=TRAINED)
def method(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def close_prompts(network: Network, n: int) -> None:
    """Masks the prompts' keys out of every attention, by a hook behind the method's own."""

    def close(attention: nn.Module, args: tuple, kwargs: dict) -> tuple:
        frames = (args[0] if args else kwargs["hidden_states"]).shape[1]
        mask = kwargs["attention_mask"]
        mask = torch.zeros(1, 1, 1, frames) if mask is None else mask.clone()
        mask[..., :n] = torch.finfo(mask.dtype).min
        return args, kwargs | {"attention_mask": mask}

    for block in network.encoder.blocks:
        block.get_submodule(network.encoder.attention_name).register_forward_pre_hook(close, with_kwargs=True)


@torch.no_grad()
def test_before_training_the_head_reads_what_the_frozen_encoder_says(method: str, family: TinyFamily) -> None:
    network, frames = build(Recipe(method=TRAINED[method], cache="float32"), family)
    encoder = opened(family).encoder
    frozen = encoder.run(*encoder.front_end(encoder.prepare([speech(3), speech(5)])))
    expected = frozen[-1]
    if any(isinstance(part, WeightedSum) for part in parts_of(TRAINED[method])):
        expected = torch.stack(frozen).mean(dim=0)
    if method == "shared prompts":  # they take attention from the frames; what else they do must be nothing
        close_prompts(network, 3)
    hidden, frame_mask = frames.read([clips()[3], clips()[5]])
    states = network.states(hidden, frame_mask)
    torch.testing.assert_close(states[frame_mask], expected[frame_mask], atol=2e-6, rtol=1e-5)


def test_shared_prompts_take_attention_from_the_start(family: TinyFamily) -> None:
    network, frames = build(Recipe(method=TRAINED["shared prompts"]), family)
    with torch.no_grad():
        hidden, frame_mask = frames.read(clips()[:1])
        assert not torch.allclose(
            network.states(hidden, frame_mask), opened(family).encoder.run(hidden, frame_mask)[-1], atol=1e-4
        )


def test_own_prompts_learn_apart(family: TinyFamily) -> None:
    prompts = trained(family, "own prompts").classifier.network.inserted.get_submodule("prompts.0").moved.detach()
    assert (prompts[0] - prompts[1]).abs().max() > 1e-3  # after three steps of at most 0.03


def test_every_trainable_weight_gets_a_gradient_within_two_steps(method: str, family: TinyFamily) -> None:
    run = trained(family, method)
    # Softmax ignores a constant added to all keys, which is all that their bias is.
    assert {name for name in run.idle if not name.endswith("k_proj.bias")} == set()
    assert run.n_trained > 0


def test_no_frozen_weight_moves_and_the_caller_s_encoder_stays_as_it_was(method: str, family: TinyFamily) -> None:
    assert trained(family, method).moved == set()
    encoder, untouched = opened(family).encoder, open_encoder(opened(family).folder / "encoder")
    assert encoder.state_dict().keys() == untouched.state_dict().keys()
    assert all(torch.equal(w, untouched.state_dict()[name]) for name, w in encoder.state_dict().items())
    assert [w.requires_grad for w in encoder.parameters()] == [w.requires_grad for w in untouched.parameters()]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())


def test_training_changes_what_the_head_reads(method: str, family: TinyFamily) -> None:
    fresh, _ = build(Recipe(method=TRAINED[method]), family)
    classifier = trained(family, method).classifier
    with torch.no_grad():
        hidden, frame_mask = classifier.frames.read(clips()[:1])
        change = classifier.network.states(hidden, frame_mask) - fresh.states(
            *LiveFrames(fresh.encoder, fresh.start).read(clips()[:1])
        )
    assert change.abs().max() > 1e-4


def test_a_clip_s_predictions_do_not_depend_on_what_it_is_batched_with(method: str, family: TinyFamily) -> None:
    classifier = trained(family, method).classifier
    alone = [classifier.predict([clip]) for clip in clips()]
    with torch.no_grad():
        outputs = classifier.network(*classifier.frames.read(clips()))  # one minibatch, padded to the longest
    together = outputs.logits.softmax(dim=-1).numpy()
    np.testing.assert_allclose(together, np.concatenate([one.probabilities for one in alone]), atol=1e-5)
    arousal = 1 + 4 * outputs.dimensions.clamp(0, 1).numpy()
    np.testing.assert_allclose(arousal, np.concatenate([one.dimensions for one in alone]), atol=1e-4)


@pytest.mark.parametrize("mergeable", MERGEABLE)
@torch.no_grad()
def test_merged_into_a_plain_encoder_it_computes_the_same(mergeable: str, family: TinyFamily, tmp_path: Path) -> None:
    network = trained(family, mergeable).classifier.network
    before = {name: w.clone() for name, w in network.state_dict().items()}
    plain = methods.merged(network)
    assert plain.digest != opened(family).encoder.digest or mergeable == "weighted sum"
    plain.save(tmp_path / "merged")
    reopened = open_encoder(tmp_path / "merged")
    assert reopened.digest == plain.digest
    waveforms = [speech(0), speech(4)]
    expected = network.encoder.run(*network.encoder.front_end(network.encoder.prepare(waveforms)))
    for encoder in (plain, reopened):
        states = encoder.run(*encoder.front_end(encoder.prepare(waveforms)))
        for state, one in zip(states, expected, strict=True):
            torch.testing.assert_close(state, one, atol=2e-5, rtol=1e-4)
    assert all(torch.equal(w, before[name]) for name, w in network.state_dict().items())


def test_what_no_weight_can_hold_is_not_merged(family: TinyFamily) -> None:
    for name, what in (("parallel adapter", "adapter"), ("own prompts", "prompts")):
        with pytest.raises(RecipeError, match=f"{what} cannot be merged"):
            methods.merged(trained(family, name).classifier.network)


@pytest.mark.parametrize("last", [LastK(k=2), Lora(last=1), Adapter(last=2), Prompts(softmax="shared", last=1)])
def test_cached_and_live_frames_give_the_same_output(last: Method, family: TinyFamily) -> None:
    cached, frames = build(Recipe(method=last, cache="float32"), family)
    live, live_frames = build(Recipe(method=last, cache="off"), family)
    assert isinstance(frames, CachedFrames)
    assert isinstance(live_frames, LiveFrames)
    assert cached.start == live.start > 0
    with torch.no_grad():
        ours, theirs = cached(*frames.read(clips())), live(*live_frames.read(clips()))
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-5, rtol=1e-5)


def gradients(recipe: Recipe, family: TinyFamily) -> dict[str, Tensor]:
    """Of one step with dropout on."""
    network, frames = build(recipe, family)
    network.train()
    torch.manual_seed(0)
    loss_of(network, frames).backward()
    return {name: w.grad for name, w in network.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("family", ["wavlm", "whisper"])
def test_activations_computed_again_give_the_same_gradients(method: str, family: TinyFamily) -> None:
    recipe = Recipe(method=TRAINED[method])
    kept, again = gradients(recipe, family), gradients(replace(recipe, checkpoint_activations=True), family)
    assert kept.keys() == again.keys()
    for name, gradient in kept.items():
        torch.testing.assert_close(again[name], gradient, atol=1e-7, rtol=1e-5, msg=name)


def test_activations_computed_again_are_not_kept(family: TinyFamily) -> None:
    saved: list[int] = []
    for again in (False, True):
        network, frames = build(Recipe(method=Full(), checkpoint_activations=again), family)
        saved.append(0)

        def count(tensor: Tensor) -> Tensor:
            saved[-1] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss_of(network, frames)
    assert saved[1] < saved[0] / 2


@pytest.mark.parametrize("family", ["hubert", "wavlm-stable", "whisper"])
def test_half_precision_stays_close_and_reaches_every_weight(method: str, family: TinyFamily) -> None:
    network, frames = build(Recipe(method=TRAINED[method], cache="off"), family)
    with torch.no_grad():
        exact = network(*frames.read(clips()))
    with torch.autocast("cpu", torch.bfloat16):
        hidden, frame_mask = frames.read(clips())
        outputs = network(hidden, frame_mask)
    assert hidden.dtype == outputs.logits.dtype == outputs.dimensions.dtype == torch.float32
    torch.testing.assert_close(outputs.logits, exact.logits, atol=0.05, rtol=0.05)
    outputs.logits.sum().backward()
    trainable = [w for name, w in network.named_parameters() if w.requires_grad and not name.startswith("head.dim")]
    assert all(w.grad is not None and bool(w.grad.isfinite().all()) for w in trainable)


@pytest.mark.slow  # a C++ compiler runs; trying vector instructions and starting helpers would take half as long again
@inductor.patch({"cpp.vec_isa_ok": False, "compile_threads": 1})
def test_compiled_blocks_give_the_same_output_gradients_and_names(tmp_path: Path) -> None:
    encoder = open_encoder(build_tiny("hubert", tmp_path, n_layers=1))
    everything = Combined(parts=(Adapter(width=8), Lora(rank=4), Prompts(n=3), Gate(), BitFit()))
    seen = []
    for recipe in (Recipe(method=everything), Recipe(method=everything, compile=True, checkpoint_activations=True)):
        torch.manual_seed(0)
        network = methods.build(recipe, SCHEME, encoder).eval()
        frames = methods.frames(recipe, network, encoder, FeatureStore(tmp_path / "features"))
        loss = loss_of(network, frames)
        loss.backward()
        gradients = {name: w.grad for name, w in network.named_parameters() if w.grad is not None}
        seen.append((loss.detach(), gradients, list(network.state_dict())))
    (plain, plain_gradients, plain_names), (compiled, compiled_gradients, compiled_names) = seen
    assert compiled_names == plain_names
    torch.testing.assert_close(compiled, plain)
    torch.testing.assert_close(compiled_gradients, plain_gradients, atol=1e-6, rtol=1e-4)


PREDICT = """
import json, sys
from pathlib import Path
import numpy as np
import torch
sys.path.insert(0, sys.argv[1])
from test_peft import clips
from al_core.checkpoint import load_checkpoint
from al_core.features import FeatureStore
torch.set_num_threads(1)
for checkpoint, store in json.loads(sys.argv[2]):
    predicted = load_checkpoint(Path(checkpoint), None, FeatureStore(Path(store))).predict(clips())
    np.savez(Path(checkpoint) / "predicted.npz", predicted.probabilities, predicted.dimensions)
"""


def test_a_fresh_process_loads_every_checkpoint_and_predicts_the_same(tmp_path: Path) -> None:
    expected: dict[Path, Predictions] = {}
    jobs = []
    for family in TINY_FAMILIES:
        for number, method in enumerate(TRAINED):
            classifier = trained(family, method).classifier
            checkpoint = tmp_path / f"{family}-{number}"
            save_checkpoint(checkpoint, classifier, "digest of labels")
            expected[checkpoint] = classifier.predict(clips())
            jobs.append([str(checkpoint), str(tmp_path / "other features" / family)])
    subprocess.run(
        [sys.executable, "-c", PREDICT, str(Path(__file__).parent), json.dumps(jobs)],
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    for checkpoint, predicted in expected.items():
        arrays = np.load(checkpoint / "predicted.npz")
        for ours, theirs in zip((predicted.probabilities, predicted.dimensions), arrays.values(), strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-5, err_msg=str(checkpoint))
