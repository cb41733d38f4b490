"""Encoders with local attributes: a plain encoder and an adapter as its last block, to everything downstream."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.checkpoint import load_checkpoint, save_checkpoint
from al_core.encoders import EncoderError, SpeechEncoder, open_encoder
from al_core.encoders.local_attributes import WEIGHTS, AdapterSizes, LocalAttributeEncoder, WapTransformer
from al_core.encoders.outline import LOCAL_ATTRIBUTES, check_fits, read_outline, resolve_layers
from al_core.encoders.packed import packed_copy
from al_core.encoders.tiny import TINY_FAMILIES, TinyFamily, build_tiny
from al_core.features import Clip, FeatureStore
from al_core.peft import methods
from al_core.peft.network import frozen_copy
from al_core.peft.probe import ProbeClassifier, embeddings
from al_core.peft.specs import Adapter, BitFit, Full, LastK, Lora, Method, Prompts, WeightedSum
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe, RecipeError, standard_recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips, one_hot
from al_core.train import fine_tune

SCHEME = Scheme(("anger", "joy"))
LENGTHS = (9_600, 16_000, 6_400, 12_345)


def noise(length: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(length).standard_normal(length)).astype(np.float32)


CLIPS = tuple(Clip(f"{i}", 0.4 + i / 50, None, lambda i=i: noise(6_400 + 320 * i)) for i in range(8))


def with_adapter(base: SpeechEncoder, layer: int = 2) -> LocalAttributeEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        adapter = WapTransformer(AdapterSizes(base.hidden_size, width=16, blocks=2, heads=4))
        adapter.get_buffer("mean").normal_()
        adapter.get_buffer("scale").uniform_(0.5, 2.0)
        torch.nn.init.normal_(adapter.layer_weights)
    return LocalAttributeEncoder(base, layer, adapter.eval())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[TinyFamily, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {family: build_tiny(family, root / family) for family in TINY_FAMILIES}


@pytest.fixture(params=TINY_FAMILIES)
def encoder(request: pytest.FixtureRequest, folders: dict[TinyFamily, Path]) -> LocalAttributeEncoder:
    return with_adapter(open_encoder(folders[request.param]))


@pytest.fixture
def hubert(folders: dict[TinyFamily, Path]) -> LocalAttributeEncoder:
    return with_adapter(open_encoder(folders["hubert"]))


@torch.no_grad()
def states_of(encoder: SpeechEncoder, waveforms: list[np.ndarray]) -> tuple[list[torch.Tensor], torch.Tensor]:
    hidden, frame_mask = encoder.front_end(encoder.prepare(waveforms))
    return [hidden, *encoder.run(hidden, frame_mask)], frame_mask


def test_the_states_below_are_the_plain_encoders_and_the_last_is_the_adapters(encoder: LocalAttributeEncoder) -> None:
    waveforms = [noise(length) for length in LENGTHS]
    ours, frame_mask = states_of(encoder, waveforms)
    plain, _ = states_of(encoder.base, waveforms)
    assert len(ours) == 4 == encoder.n_layers + 1
    assert all(torch.equal(a, b) for a, b in zip(ours[:3], plain, strict=False))
    with torch.no_grad():
        assert torch.equal(ours[3], encoder.adapter(plain[2], frame_mask))
        assert torch.allclose(encoder.run(plain[1], frame_mask, 1)[-1], ours[3], atol=1e-5)
        assert torch.allclose(encoder.run(plain[2], frame_mask, 2)[-1], ours[3], atol=1e-5)
    with pytest.raises(ValueError, match="do not exist"):
        encoder.run(plain[0], frame_mask, 0, 4)


def test_frames_do_not_depend_on_what_a_clip_is_batched_with(encoder: LocalAttributeEncoder) -> None:
    waveforms = [noise(length) for length in LENGTHS]
    together, frame_mask = states_of(encoder, waveforms)
    for row, waveform in enumerate(waveforms):
        alone, _ = states_of(encoder, [waveform])
        assert (together[-1][row][frame_mask[row]] - alone[-1][0]).abs().max() < 1e-4


def test_the_adapter_is_its_formula(hubert: LocalAttributeEncoder) -> None:
    """Against `torch`'s own transformer layer, with the same weights."""
    adapter = hubert.adapter
    hidden = torch.randn(2, 7, 32)
    frame_mask = torch.ones(2, 7, dtype=torch.bool)
    x = (hidden - adapter.get_buffer("mean")) / adapter.get_buffer("scale")
    above, outs = adapter.project(x), []
    for layer in adapter.layers:
        literal = torch.nn.TransformerEncoderLayer(16, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
        parts = [
            (literal.self_attn.in_proj_weight, layer.mix_in.weight),
            (literal.self_attn.in_proj_bias, layer.mix_in.bias),
            (literal.self_attn.out_proj.weight, layer.mix_out.weight),
            (literal.self_attn.out_proj.bias, layer.mix_out.bias),
            (literal.linear1.weight, layer.widen.weight),
            (literal.linear1.bias, layer.widen.bias),
            (literal.linear2.weight, layer.narrow.weight),
            (literal.linear2.bias, layer.narrow.bias),
        ]
        with torch.no_grad():
            for theirs, ours in parts:
                theirs.copy_(ours)
            above = literal(above)
        outs.append(above)
    weights = adapter.layer_weights.softmax(0)
    total = sum(weight * out for weight, out in zip(weights, outs, strict=True))
    assert torch.allclose(adapter(hidden, frame_mask), x + adapter.expand(adapter.norm(total)), atol=1e-5)


def test_a_hidden_frame_is_not_seen(hubert: LocalAttributeEncoder) -> None:
    hidden, frame_mask = torch.randn(1, 9, 32), torch.ones(1, 9, dtype=torch.bool)
    masked = torch.zeros(1, 9, dtype=torch.bool)
    masked[0, 3:6] = True
    other = torch.where(masked[..., None], torch.randn(1, 9, 32), hidden)
    with torch.no_grad():
        assert torch.equal(hubert.adapter(hidden, frame_mask, masked), hubert.adapter(other, frame_mask, masked))
        assert not torch.equal(hubert.adapter(hidden, frame_mask), hubert.adapter(other, frame_mask))


def test_a_saved_one_opens_as_it_was_and_is_small(encoder: LocalAttributeEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    again = open_encoder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS, LOCAL_ATTRIBUTES}
    assert again.digest == encoder.digest != encoder.base.digest
    assert again.source == str(tmp_path)
    assert not again.training
    waveforms = [noise(length) for length in LENGTHS]
    assert torch.equal(states_of(again, waveforms)[0][-1], states_of(encoder, waveforms)[0][-1])
    assert read_outline(tmp_path) == again.outline == encoder.outline
    assert again.outline.n_layers == again.n_layers == 3


def test_another_adapter_or_layer_is_another_encoder(hubert: LocalAttributeEncoder) -> None:
    digests = {hubert.digest, with_adapter(hubert.base, 1).digest, hubert.base.digest}
    with torch.no_grad():
        hubert.adapter.layer_weights.add_(1.0)
    digests.add(LocalAttributeEncoder(hubert.base, 2, hubert.adapter).digest)
    assert len(digests) == 4


def test_what_does_not_open_is_refused_by_name(
    hubert: LocalAttributeEncoder, folders: dict[TinyFamily, Path], tmp_path: Path
) -> None:
    hubert.save(tmp_path)
    told = json.loads((tmp_path / LOCAL_ATTRIBUTES).read_text())
    for change, sentence in (
        ({"encoder": str(folders["wavlm"])}, "belong to another encoder than the one in"),
        ({"encoder": str(tmp_path / "gone")}, "belong to an encoder that does not open: there is no encoder folder"),
        ({"sizes": {"hidden_size": 8}}, "cannot open the local attributes in"),
    ):
        (tmp_path / LOCAL_ATTRIBUTES).write_text(json.dumps(told | change))
        with pytest.raises(EncoderError, match=sentence):
            open_encoder(tmp_path)
    (tmp_path / LOCAL_ATTRIBUTES).write_text(json.dumps(told))
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(EncoderError, match=f"cannot open the local attributes in {tmp_path}"):
        open_encoder(tmp_path)


def test_copies_for_inference_and_for_training_compute_the_same(hubert: LocalAttributeEncoder) -> None:
    waveforms = [noise(length) for length in LENGTHS]
    literal = states_of(hubert, waveforms)[0][-1]
    for copied in (packed_copy(hubert), frozen_copy(hubert)):
        assert torch.allclose(states_of(copied, waveforms)[0][-1], literal, atol=1e-5)


@pytest.mark.parametrize("method", [Full(), LastK(k=1), LastK(k=2), WeightedSum()], ids=lambda method: method.kind)
def test_fine_tuning_with_attentive_pooling_starts_from_it_and_is_kept(
    hubert: LocalAttributeEncoder, method: Method, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path / "features")
    train = LabelledClips(CLIPS, one_hot(["anger", "joy"] * 4, SCHEME))
    recipe = Recipe(method=method, pooling="attentive", epochs=2, minibatch=4)
    hubert.save(tmp_path / "encoder")
    *_, last = fine_tune(recipe, SCHEME, open_encoder(tmp_path / "encoder"), store, train, None)
    assert isinstance(last.classifier, TunedClassifier)
    save_checkpoint(tmp_path / "checkpoint", last.classifier, "labels")
    again = load_checkpoint(tmp_path / "checkpoint", None, store)
    ours, theirs = last.classifier.predict(CLIPS).probabilities, again.predict(CLIPS).probabilities
    assert np.array_equal(ours, theirs)
    with pytest.raises(RecipeError, match="local attributes cannot be merged"):
        methods.merged(last.classifier.network)


def test_the_probe_reads_the_adapters_frames(hubert: LocalAttributeEncoder, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    train = LabelledClips(CLIPS, one_hot(["anger", "joy"] * 4, SCHEME))
    *_, last = fine_tune(Recipe(), SCHEME, hubert, store, train, None)
    assert last.classifier is not None
    assert np.isfinite(last.classifier.predict(CLIPS).probabilities).all()
    assert (tmp_path / hubert.digest[:16] / "3-mean-float32").is_dir()


def test_the_standard_recipe_reads_the_adapter_what_it_reads_and_half_of_the_way_there(
    hubert: LocalAttributeEncoder, tmp_path: Path
) -> None:
    assert resolve_layers(standard_recipe(), hubert.outline) == (1, 2, 3)
    assert resolve_layers(standard_recipe(), hubert.base.outline.with_local_attributes(9)) == (4, 9, 10)
    store = FeatureStore(tmp_path / "features")
    train = LabelledClips(CLIPS, one_hot(["anger", "joy"] * 4, SCHEME))
    *_, last = fine_tune(standard_recipe(), SCHEME, hubert, store, train, None)
    assert isinstance(last.classifier, ProbeClassifier)
    alone = [embeddings(Recipe(layer=i, pooling="active_mean"), hubert, store, CLIPS) for i in (1, 2, 3)]
    np.testing.assert_array_equal(embeddings(standard_recipe(), hubert, store, CLIPS), np.concatenate(alone, axis=1))
    assert save_checkpoint(tmp_path / "kept", last.classifier, "labels").preprocessing["hidden_state"] == "1+2+3"
    again = load_checkpoint(tmp_path / "kept", hubert, store)
    assert np.array_equal(again.predict(CLIPS).probabilities, last.classifier.predict(CLIPS).probabilities)


@pytest.mark.parametrize("method", [Lora(), Adapter(), Prompts(), BitFit()], ids=lambda method: method.kind)
def test_methods_that_reach_into_blocks_are_refused_before_anything_runs(
    hubert: LocalAttributeEncoder, method: Method
) -> None:
    with pytest.raises(RecipeError, match=f"{method.kind} cannot be put into an encoder with local attributes"):
        check_fits(Recipe(method=method), hubert.outline)
