"""Checkpoint folders: whole or absent, refused by name when something is wrong, and open to `peft`."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file

from al_core.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TINY_FAMILIES, build_tiny
from al_core.features import Clip, FeatureStore
from al_core.manifest import file_digest, read_manifest
from al_core.peft.methods import FineTuned
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import (
    Adapter,
    BitFit,
    Combined,
    Dora,
    Gate,
    Ia3,
    LastK,
    Lora,
    Method,
    Probe,
    Prompts,
    WeightedSum,
)
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips, one_hot
from al_core.train import fine_tune

SCHEME = Scheme(("anger", "joy", "Überraschung"), (Dimension("arousal", 1, 7),))


def noise(i: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(i).standard_normal(6_400)).astype(np.float32)


CLIPS = tuple(Clip(f"clip-{i}", 0.4, f"speaker-{i % 2}", lambda i=i: noise(i)) for i in range(12))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SpeechEncoder:
    return open_encoder(build_tiny("hubert", tmp_path_factory.mktemp("hubert")))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("features"))


def fitted(encoder: SpeechEncoder, store: FeatureStore, recipe: Recipe) -> FineTuned:
    arousal = np.linspace(1, 7, len(CLIPS), dtype=np.float32)[:, None]
    train = LabelledClips(CLIPS, one_hot(["anger", "joy"] * 6, SCHEME), arousal)
    *_, last = fine_tune(recipe, SCHEME, encoder, store, train, None)
    assert last.classifier is not None
    return last.classifier


def assert_same(ours: FineTuned, theirs: FineTuned) -> None:
    """To the bit."""
    for one, other in zip(astuple(ours.predict(CLIPS)), astuple(theirs.predict(CLIPS)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def probe(encoder, store) -> FineTuned:
    return fitted(encoder, store, Recipe(layer=2, normalise_speakers=True))


def test_a_probe_keeps_its_speaker_statistics_and_its_output_to_the_bit(probe, encoder, store, tmp_path):
    save_checkpoint(tmp_path / "probe", probe, "digest of labels")
    loaded = load_checkpoint(tmp_path / "probe", encoder, store)
    assert_same(loaded, probe)
    assert isinstance(loaded, ProbeClassifier)
    assert loaded.speakers == ("speaker-0", "speaker-1")


def test_a_probe_reads_the_states_it_was_fitted_on_where_quarters_mean_others_by_now(encoder, store, tmp_path):
    probe = fitted(encoder, store, Recipe(method=Probe(layers=(0, 1))))
    save_checkpoint(tmp_path / "probe", probe, "")
    manifest = json.loads((tmp_path / "probe" / "manifest.json").read_text())
    manifest["recipe"]["method"]["layers"] = "quarters"
    (tmp_path / "probe" / "manifest.json").write_text(json.dumps(manifest))
    assert_same(load_checkpoint(tmp_path / "probe", encoder, store), probe)


@pytest.mark.parametrize(
    "method",
    [LastK(k=1), Lora(rank=2), Combined(parts=(Adapter(), Prompts(), WeightedSum(), Gate()))],
    ids=lambda m: m.kind,
)
def test_a_loaded_network_can_be_saved_again_and_stays_the_same(method: Method, encoder, store, tmp_path):
    classifier = fitted(encoder, store, Recipe(method=method, epochs=1))
    save_checkpoint(tmp_path / "first", classifier, "")
    save_checkpoint(tmp_path / "second", load_checkpoint(tmp_path / "first", encoder, store), "")
    second = load_checkpoint(tmp_path / "second", encoder, store)
    assert_same(second, classifier)


def test_the_manifest_says_everything_needed_to_predict(probe, encoder, tmp_path):
    written = save_checkpoint(tmp_path / "probe", probe, "digest of labels")
    manifest = read_manifest(tmp_path / "probe")
    assert manifest == written
    assert manifest.recipe == probe.recipe
    assert manifest.scheme == SCHEME
    assert (manifest.encoder.source, manifest.encoder.digest) == (encoder.source, encoder.digest)
    assert manifest.labels_digest == "digest of labels"
    assert manifest.preprocessing == {"sample_rate": 16_000, "channels": 1, "hidden_state": 2, "pooling": "mean"}
    assert set(manifest.files) == {"probe.safetensors"}
    assert "torch" in manifest.versions


def test_a_folder_without_a_manifest_is_unfinished(tmp_path, encoder, store):
    with pytest.raises(CheckpointError, match=r"unfinished: it has no manifest\.json"):
        load_checkpoint(tmp_path, encoder, store)


def test_nothing_appears_when_writing_fails_and_the_next_attempt_succeeds(probe, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="No space left"):
        broken.setattr("al_core.checkpoint.write_manifest", full)
        save_checkpoint(tmp_path / "probe", probe, "")
    assert list(tmp_path.iterdir()) == []
    save_checkpoint(tmp_path / "probe", probe, "")
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


def test_a_checkpoint_is_never_overwritten(probe, tmp_path):
    save_checkpoint(tmp_path / "probe", probe, "")
    with pytest.raises(CheckpointError, match="never overwritten"):
        save_checkpoint(tmp_path / "probe", probe, "")


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_missing_or_changed_file_is_refused_by_name(damage, probe, encoder, store, tmp_path):
    save_checkpoint(tmp_path / "probe", probe, "")
    weights = tmp_path / "probe" / "probe.safetensors"
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match=r"probe\.safetensors"):
        load_checkpoint(tmp_path / "probe", encoder, store)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 99}, "has format 99, this version reads up to 2"),
        ({"recipe": {"method": {"kind": "magic"}}}, r"recipe\.method\.kind is 'magic'"),
        ({"encoder": {"source": "x"}}, r"manifest\.json cannot be read"),
    ],
    ids=["format", "method", "encoder"],
)
def test_a_manifest_of_another_version_or_a_damaged_one_is_refused(change, sentence, probe, encoder, store, tmp_path):
    save_checkpoint(tmp_path / "probe", probe, "")
    path = tmp_path / "probe" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(tmp_path / "probe", encoder, store)


def test_another_encoder_is_refused_by_its_digest(probe, store, tmp_path):
    save_checkpoint(tmp_path / "probe", probe, "")
    other = open_encoder(build_tiny("hubert", tmp_path / "other", seed=1))
    with pytest.raises(CheckpointError, match="pass the encoder it was fine-tuned from"):
        load_checkpoint(tmp_path / "probe", other, store)


def test_an_encoder_that_is_gone_is_named_with_what_to_do(store, tmp_path):
    folder = build_tiny("whisper", tmp_path / "encoder")
    save_checkpoint(tmp_path / "probe", fitted(open_encoder(folder), store, Recipe()), "")
    folder.rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match=r"needs the encoder .*encoder .*pass the same encoder"):
        load_checkpoint(tmp_path / "probe", None, store)
    predicted = load_checkpoint(tmp_path / "probe", open_encoder(tmp_path / "moved"), store).predict(CLIPS[:1])
    assert (predicted.probabilities.shape, predicted.dimensions.shape) == ((1, 3), (1, 1))


@pytest.mark.parametrize(
    "method",
    [
        Lora(rank=2),
        Lora(rank=2, targets="attention", last=2),
        Dora(rank=2, targets="all"),
        Ia3(),
        Ia3(targets="all"),
        Combined(parts=(Lora(rank=2), Gate())),
    ],
    ids=["lora", "attention", "dora", "ia3", "ia3 on all", "gated"],
)
@pytest.mark.parametrize("family", TINY_FAMILIES)
def test_a_saved_adapter_opens_with_peft_on_what_transformers_opens(method: Method, family, store, tmp_path):
    encoder = open_encoder(build_tiny(family, tmp_path / "encoder"))
    classifier = fitted(encoder, store, Recipe(method=method, epochs=3, learning_rate=3e-2, cache="off"))
    save_checkpoint(tmp_path / "saved", classifier, "")
    assert isinstance(classifier, TunedClassifier)
    waveform = np.resize(noise(0), 480_000 if family == "whisper" else 6_400)  # transformers pads Whisper's to 30 s
    hidden, frame_mask = encoder.front_end(encoder.prepare([waveform]))
    with torch.no_grad():
        expected = classifier.network.encoder.run(hidden, frame_mask)[-1]
        frozen = encoder.run(hidden, frame_mask)[-1]
    assert (expected - frozen).abs().max() > 1e-3, "training changed the hidden states"

    for merged in (False, True):
        plain = transformers.AutoModel.from_pretrained(encoder.source)
        adapted = peft.PeftModel.from_pretrained(plain, tmp_path / "saved" / "adapter").eval()
        if merged:
            adapted.merge_and_unload()
        elif "wavlm" in family and getattr(method, "targets", "") in ("attention", "all"):
            continue  # its attention reads the projections' weights, so that nothing runs what wraps them
        torch.testing.assert_close(heard(plain, waveform, encoder.source), expected, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def heard(plain: Any, waveform: np.ndarray, source: str) -> torch.Tensor:
    """The last hidden state as `transformers` computes it."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(source)
    inputs = extractor([waveform], sampling_rate=16_000, return_tensors="pt")
    if "input_features" in inputs:
        return plain.encoder(inputs.input_features).last_hidden_state
    return plain(inputs.input_values).last_hidden_state


def test_two_adapters_have_a_folder_each(encoder, store, tmp_path):
    method = Combined(parts=(Ia3(targets="attention"), Lora(rank=2), BitFit()))
    save_checkpoint(tmp_path / "saved", fitted(encoder, store, Recipe(method=method, epochs=1)), "")
    for kind in ("lora", "ia3"):
        network = transformers.AutoModel.from_pretrained(encoder.source)
        assert peft.PeftModel.from_pretrained(network, tmp_path / "saved" / f"adapter-{kind}").peft_config["default"]


def test_only_what_was_trained_is_saved(encoder, store, tmp_path):
    save_checkpoint(tmp_path / "last-k", fitted(encoder, store, Recipe(method=LastK(k=1), epochs=1)), "")
    trained = load_file(tmp_path / "last-k" / "trained.safetensors")
    assert {name[: len("encoder.layers.2.")] for name in trained} == {"encoder.layers.2."}
    adapter = Recipe(method=Adapter(last=1), epochs=1)
    save_checkpoint(tmp_path / "adapter", fitted(encoder, store, adapter), "")
    assert {name[: len("inserted.adapter.2.")] for name in load_file(tmp_path / "adapter" / "trained.safetensors")} == {
        "inserted.adapter.2."
    }


def test_weights_that_do_not_fit_the_recipe_are_refused_by_name(encoder, store, tmp_path):
    save_checkpoint(tmp_path / "lora", fitted(encoder, store, Recipe(method=Lora(rank=2), epochs=1)), "")
    path = tmp_path / "lora" / "manifest.json"
    plain = json.loads(path.read_text(encoding="utf-8"))
    plain["recipe"]["method"]["targets"] = "attention"
    path.write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"does not fit its recipe.*lora_A"):
        load_checkpoint(tmp_path / "lora", encoder, store)


CLASSES = Scheme(SCHEME.classes)


def in_format_1(folder: Path, name: str, weights: dict[str, torch.Tensor]) -> None:
    """Turn a checkpoint into what the version before wrote."""
    (folder / "trained.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    save_file(weights, folder / name)
    head = load_tensors(folder / "head.safetensors")
    renamed = {key.removeprefix("trunk.").removeprefix("classes."): tensor for key, tensor in head.items()}
    save_file(renamed, folder / "head.safetensors")
    plain = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = [path.relative_to(folder) for path in folder.rglob("*.safetensors")]
    plain["format"] = 1
    plain["files"] = {str(file): file_digest(folder / file) for file in files}
    (folder / "manifest.json").write_text(json.dumps(plain), encoding="utf-8")


@pytest.mark.parametrize("method", [LastK(k=2), Lora(rank=2)], ids=lambda m: m.kind)
def test_a_checkpoint_of_format_1_still_predicts_the_same(method: Method, encoder, store, tmp_path):
    train = LabelledClips(CLIPS, one_hot(["anger", "joy"] * 6, CLASSES))
    *_, last = fine_tune(Recipe(method=method, epochs=1), CLASSES, encoder, store, train, None)
    folder = tmp_path / "old"
    save_checkpoint(folder, last.classifier, "")
    trained = load_tensors(folder / "trained.safetensors")
    if isinstance(method, LastK):
        blocks = {name.removeprefix("encoder.layers."): weight for name, weight in trained.items()}
        in_format_1(folder, "blocks.safetensors", blocks)
    else:
        adapter = {f"base_model.model.{name.replace('.lora.', '.')}": weight for name, weight in trained.items()}
        in_format_1(folder, "adapter/adapter_model.safetensors", adapter)
    assert_same(load_checkpoint(folder, encoder, store), last.classifier)
