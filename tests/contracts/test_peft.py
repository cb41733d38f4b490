"""What every fine-tuning method owes every family of encoders."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.checkpoint import save_checkpoint
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TINY_FAMILIES, build_tiny
from al_core.features import Clip, FeatureStore
from al_core.losses import soft_cross_entropy
from al_core.peft import methods
from al_core.peft.methods import FineTuned, Trained
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import LastK, Lora, Method, Probe
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips, labels_digest, one_hot
from al_core.train import fine_tune

SCHEME = Scheme(("anger", "joy", "neutral"))
LABELS = ["anger", "joy", "anger", "joy", "anger", "joy"]
TRAINED: tuple[Trained, ...] = (LastK(k=2, cache="float32"), Lora(rank=4))
METHODS: tuple[Method, ...] = (Probe(), *TRAINED)


def speech(i: int) -> np.ndarray:
    """A tone of its own pitch and length in noise, 0.4 to 0.9 s."""
    rng = np.random.default_rng(i)
    t = np.arange(6_400 + 1_600 * i) / 16_000
    return (0.3 * np.sin(2 * np.pi * (150 + 60 * i) * t) + 0.02 * rng.standard_normal(len(t))).astype(np.float32)


def clips() -> tuple[Clip, ...]:
    return tuple(Clip(f"clip-{i}", len(speech(i)) / 16_000, "ada", lambda i=i: speech(i)) for i in range(6))


@dataclass(frozen=True)
class Opened:
    """One family's tiny encoder, and a store of its own."""

    folder: Path
    encoder: SpeechEncoder
    store: FeatureStore


@pytest.fixture(scope="module", params=TINY_FAMILIES)
def opened(request, tmp_path_factory) -> Opened:
    folder = tmp_path_factory.mktemp(request.param)
    build_tiny(request.param, folder / "encoder")
    return Opened(folder, open_encoder(folder / "encoder"), FeatureStore(folder / "features"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tuned(method: Method, opened: Opened) -> FineTuned:
    recipe = Recipe(method=method, epochs=2, minibatch=4)
    train = LabelledClips(clips(), one_hot(LABELS, SCHEME))
    *_, last = fine_tune(recipe, SCHEME, opened.encoder, opened.store, train, None)
    assert last.classifier is not None
    return last.classifier


@pytest.mark.parametrize("method", TRAINED, ids=lambda m: m.kind)
def test_before_training_the_hidden_states_are_the_frozen_encoder_s(method, opened):
    network = methods.build(method, Recipe(method=method), opened.encoder, len(SCHEME)).eval()
    frames = methods.frames(method, opened.encoder, opened.store)
    list(frames.prepare(clips()))
    with torch.no_grad():
        expected = opened.encoder.run(*opened.encoder.front_end(opened.encoder.prepare([speech(3), speech(5)])))[-1]
        hidden, frame_mask = frames.read([clips()[3], clips()[5]])
        states = network.states(hidden, frame_mask)
    torch.testing.assert_close(states[frame_mask], expected[frame_mask], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", TRAINED, ids=lambda m: m.kind)
def test_every_trainable_weight_gets_a_gradient_within_two_steps_and_no_other_weight_moves(method, opened):
    network = methods.build(method, Recipe(method=method), opened.encoder, len(SCHEME)).eval()
    frames = methods.frames(method, opened.encoder, opened.store)
    list(frames.prepare(clips()))
    frozen = {name: w.clone() for name, w in network.named_parameters() if not w.requires_grad}
    trainable = {name: w for name, w in network.named_parameters() if w.requires_grad}
    optimiser = torch.optim.AdamW(trainable.values(), lr=1e-2)
    reached: set[str] = set()
    for _ in range(2):
        optimiser.zero_grad()
        logits = network(*frames.read(clips()))
        soft_cross_entropy(logits, torch.from_numpy(one_hot(LABELS, SCHEME)), torch.ones(3)).backward()
        reached |= {name for name, w in trainable.items() if w.grad is not None and bool((w.grad != 0).any())}
        optimiser.step()
    assert set(trainable) - reached == set()
    assert len(trainable) > 2, "more than the head"
    for name, w in network.named_parameters():
        if name in frozen:
            assert torch.equal(w, frozen[name]), name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_fine_tuning_leaves_the_caller_s_encoder_as_it_was(method, opened):
    before = {name: w.clone() for name, w in opened.encoder.state_dict().items()}
    flags = [w.requires_grad for w in opened.encoder.parameters()]
    tuned(method, opened)
    after = opened.encoder.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [w.requires_grad for w in opened.encoder.parameters()] == flags


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_a_clip_s_probabilities_do_not_depend_on_what_it_is_batched_with(method, opened):
    classifier = tuned(method, opened)
    alone = np.concatenate([classifier.predict([clip]) for clip in clips()])
    if isinstance(classifier, ProbeClassifier):
        together = classifier.predict(clips())
    else:
        hidden, frame_mask = classifier.frames.read(clips())  # one minibatch, padded to the longest
        with torch.no_grad():
            together = classifier.network(hidden, frame_mask).softmax(dim=-1).numpy()
    np.testing.assert_allclose(together, alone, atol=1e-4)


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
    classifier = load_checkpoint(Path(checkpoint), None, FeatureStore(Path(store)))
    np.save(Path(checkpoint) / "predicted.npy", classifier.predict(clips()))
"""


def test_a_fresh_process_loads_every_checkpoint_and_predicts_the_same(tmp_path):
    expected, jobs = {}, []
    for family in TINY_FAMILIES:
        folder = tmp_path / family
        build_tiny(family, folder / "encoder")
        opened = Opened(folder, open_encoder(folder / "encoder"), FeatureStore(folder / "features"))
        for method in METHODS:
            checkpoint = folder / method.kind
            classifier = tuned(method, opened)
            digest = labels_digest([clip.key for clip in clips()], one_hot(LABELS, SCHEME))
            save_checkpoint(checkpoint, classifier, digest)
            expected[checkpoint] = classifier.predict(clips())
            jobs.append([str(checkpoint), str(folder / "other features")])
    subprocess.run(
        [sys.executable, "-c", PREDICT, str(Path(__file__).parent), json.dumps(jobs)],
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    for checkpoint, probabilities in expected.items():
        np.testing.assert_allclose(np.load(checkpoint / "predicted.npy"), probabilities, atol=1e-6, err_msg=checkpoint)
