"""Checkpoint folders: whole or absent, refused by name when something is wrong, and open to `peft`."""

import json
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from al_core.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, FeatureStore
from al_core.manifest import read_manifest
from al_core.peft import lora
from al_core.peft.methods import FineTuned
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import LastK, Lora, Method
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
    train = LabelledClips(CLIPS, one_hot(["anger", "joy"] * 6, SCHEME))
    *_, last = fine_tune(recipe, SCHEME, encoder, store, train, None)
    assert last.classifier is not None
    return last.classifier


@pytest.fixture
def probe(encoder, store) -> FineTuned:
    return fitted(encoder, store, Recipe(layer=2, normalise_speakers=True))


def test_a_probe_keeps_its_speaker_statistics_and_its_output_to_the_bit(probe, encoder, store, tmp_path):
    save_checkpoint(tmp_path / "probe", probe, "digest of labels")
    loaded = load_checkpoint(tmp_path / "probe", encoder, store)
    np.testing.assert_array_equal(loaded.predict(CLIPS), probe.predict(CLIPS))
    assert isinstance(loaded, ProbeClassifier)
    assert loaded.normaliser is not None
    assert loaded.normaliser.speakers == ("speaker-0", "speaker-1")


@pytest.mark.parametrize("method", [LastK(k=1), Lora(rank=2)], ids=lambda m: m.kind)
def test_a_loaded_network_can_be_saved_again_and_stays_the_same(method: Method, encoder, store, tmp_path):
    classifier = fitted(encoder, store, Recipe(method=method, epochs=1))
    save_checkpoint(tmp_path / "first", classifier, "")
    save_checkpoint(tmp_path / "second", load_checkpoint(tmp_path / "first", encoder, store), "")
    second = load_checkpoint(tmp_path / "second", encoder, store)
    np.testing.assert_array_equal(second.predict(CLIPS), classifier.predict(CLIPS))


def test_the_manifest_says_everything_needed_to_predict(probe, encoder, tmp_path):
    written = save_checkpoint(tmp_path / "probe", probe, "digest of labels")
    manifest = read_manifest(tmp_path / "probe")
    assert manifest == written
    assert manifest.recipe == probe.recipe
    assert manifest.scheme == SCHEME
    assert (manifest.encoder.source, manifest.encoder.digest) == (encoder.source, encoder.digest)
    assert manifest.labels_digest == "digest of labels"
    assert manifest.preprocessing == {"sample_rate": 16_000, "channels": 1, "hidden_state": 2, "pooling": "mean"}
    assert set(manifest.files) == {"probe.safetensors", "speakers.safetensors"}
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
        ({"format": 99}, "has format 99, this version reads 1"),
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
    assert load_checkpoint(tmp_path / "probe", open_encoder(tmp_path / "moved"), store).predict(CLIPS[:1]).shape == (
        1,
        3,
    )


def test_a_saved_adapter_opens_with_peft_on_the_plain_network_and_merges_without_a_change(encoder, store, tmp_path):
    classifier = fitted(encoder, store, Recipe(method=Lora(rank=2), epochs=3, learning_rate=1e-2))
    save_checkpoint(tmp_path / "lora", classifier, "")
    assert isinstance(classifier, TunedClassifier)
    hidden, frame_mask = classifier.frames.read(CLIPS[:2])
    with torch.no_grad():
        expected = classifier.network.states(hidden, frame_mask)
        frozen = encoder.run(hidden, frame_mask)[-1]
    assert (expected - frozen).abs().max() > 1e-4, "training changed the hidden states"

    for merged in (False, True):
        fresh = open_encoder(encoder.source)
        adapted = peft.PeftModel.from_pretrained(lora.hugging_face_network(fresh), tmp_path / "lora" / "adapter").eval()
        if merged:
            adapted.merge_and_unload()
        with torch.no_grad():
            torch.testing.assert_close(fresh.run(hidden, frame_mask)[-1], expected, atol=1e-5, rtol=1e-5)


def test_the_adapter_of_a_base_sized_encoder_has_the_published_number_of_weights():
    """PEFT-SER: r = 16 on both feed-forward linears of 12 blocks, 768 wide with 3072 inside."""
    with torch.device("meta"):
        network = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config())
    targets = [name for name, _ in network.named_modules() if name.endswith(("intermediate_dense", "output_dense"))]
    peft.inject_adapter_in_model(lora.adapter_config(Lora(), "base", targets), network)
    assert sum(w.numel() for w in network.parameters() if w.requires_grad) == 1_474_560


def test_lora_targets_are_the_feed_forward_linears_of_the_blocks_below_the_layer(encoder):
    assert lora.feed_forward_linears(encoder, 2) == [
        f"encoder.layers.{i}.feed_forward.{name}_dense" for i in (0, 1) for name in ("intermediate", "output")
    ]


def test_only_what_was_trained_is_saved(encoder, store, tmp_path):
    save_checkpoint(tmp_path / "last-k", fitted(encoder, store, Recipe(method=LastK(k=1), epochs=1)), "")
    blocks: list[str] = sorted(
        {name.partition(".")[0] for name in load_file(Path(tmp_path / "last-k" / "blocks.safetensors"))}
    )
    assert blocks == ["2"]
