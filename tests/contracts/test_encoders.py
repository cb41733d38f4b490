"""One body of tests for every encoder family: tiny ones from a configuration, and the real ones where they are."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from al_core.audio import Waveform, decode
from al_core.encoders import EncoderError, SpeechEncoder, encoder_digest, open_encoder
from al_core.encoders.packed import PackedLinear, packed_copy
from al_core.encoders.tiny import TINY_FAMILIES, TinyFamily, build_tiny

LENGTHS = (16_000, 23_457, 3_300, 40_011, 16_000)


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[TinyFamily, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {family: build_tiny(family, root / family) for family in TINY_FAMILIES}


@pytest.fixture(params=TINY_FAMILIES)
def folder(request: pytest.FixtureRequest, tiny_folders: dict[TinyFamily, Path]) -> Path:
    return tiny_folders[request.param]


@pytest.fixture
def encoder(folder: Path) -> SpeechEncoder:
    return open_encoder(folder)


@pytest.fixture(params=["mini-hubert", "whisper-tiny.en"])
def real_encoder(request: pytest.FixtureRequest, shared: Path) -> SpeechEncoder:
    return open_encoder(shared / "encoders" / request.param)


def noise(lengths: Sequence[int] = LENGTHS) -> list[Waveform]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(n) + 0.01).astype(np.float32) for n in lengths]


def real_speech(shared: Path) -> list[Waveform]:
    clips = sorted((shared / "data" / "emodb-4class").rglob("*.flac"))[:6]
    return [decode(path) for path in clips]


@torch.no_grad()
def states_of(encoder: SpeechEncoder, waveforms: Sequence[Waveform]) -> tuple[list[Tensor], Tensor]:
    """Hidden states 0 … n, (b, f, d) each, and the frame mask."""
    hidden, frame_mask = encoder.front_end(encoder.prepare(waveforms))
    return [hidden, *encoder.run(hidden, frame_mask)], frame_mask


def worst_difference(encoder: SpeechEncoder, waveforms: Sequence[Waveform]) -> float:
    """Largest relative difference of any hidden state of any clip, in the batch against alone."""
    together, frame_mask = states_of(encoder, waveforms)
    worst = 0.0
    for row, waveform in enumerate(waveforms):
        alone, _ = states_of(encoder, [waveform])
        for batched, single in zip(together, alone, strict=True):
            worst = max(worst, relative(batched[row][frame_mask[row]], single[0]))
    return worst


def relative(ours: Tensor, reference: Tensor) -> float:
    assert ours.shape == reference.shape
    return float((ours - reference).norm() / reference.norm())


def test_frames_do_not_depend_on_what_a_clip_is_batched_with(encoder: SpeechEncoder) -> None:
    assert worst_difference(encoder, noise()) <= 1e-5


def test_real_encoders_do_not_depend_on_the_batch_for_real_speech(real_encoder: SpeechEncoder, shared: Path) -> None:
    assert worst_difference(real_encoder, real_speech(shared)) <= 1e-5


@torch.no_grad()
def reference_states(folder: Path, waveform: Waveform) -> list[Tensor]:
    """Hidden states of one clip by `transformers` itself, the last one being its last_hidden_state."""
    import transformers

    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    prepared = extractor(waveform, sampling_rate=16_000, return_tensors="pt")
    kind = json.loads((folder / "config.json").read_text())["architectures"][0]
    network = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()
    if "Whisper" in kind:
        out = network.get_encoder()(prepared.input_features, output_hidden_states=True)
    else:
        out = network(prepared.input_values, output_hidden_states=True)
    return [*out.hidden_states[:-1], out.last_hidden_state]


def assert_equals_reference(encoder: SpeechEncoder, folder: Path, waveform: Waveform) -> None:
    ours, _ = states_of(encoder, [waveform])
    reference = reference_states(folder, waveform)
    assert len(ours) == len(reference) == encoder.n_layers + 1
    for state, expected in zip(ours, reference, strict=True):
        assert relative(state, expected) <= 1e-5


def test_a_clip_alone_gives_the_hidden_states_of_transformers(encoder: SpeechEncoder, folder: Path) -> None:
    # Whisper of `transformers` knows no other length than 30 s.
    waveform = noise([480_000] if encoder.family == "whisper" else [23_457])[0]
    assert_equals_reference(encoder, folder, waveform)


def test_real_hubert_gives_the_hidden_states_of_transformers(shared: Path) -> None:
    folder = shared / "encoders" / "mini-hubert"
    assert_equals_reference(open_encoder(folder), folder, real_speech(shared)[0])


def test_whisper_prepares_a_clip_as_its_feature_extractor_does_at_the_same_length(
    tiny_folders: dict[TinyFamily, Path],
) -> None:
    from transformers import AutoFeatureExtractor

    folder = tiny_folders["whisper"]
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    for waveform in noise():
        expected = extractor(waveform, sampling_rate=16_000, padding=False, return_tensors="np").input_features[0]
        ours = open_encoder(folder).prepare([waveform]).inputs[0].numpy()
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_frame_counts_are_the_frames_that_come_out(encoder: SpeechEncoder) -> None:
    _, frame_mask = states_of(encoder, noise())
    assert frame_mask.sum(dim=1).tolist() == encoder.frame_counts(LENGTHS)
    assert list(encoder.prepare(noise()).lengths) == encoder.frame_counts(LENGTHS)


def test_running_from_the_middle_continues_where_the_first_half_stopped(encoder: SpeechEncoder) -> None:
    states, frame_mask = states_of(encoder, noise())
    with torch.no_grad():
        upper = encoder.run(states[1], frame_mask, start=1)
        lower = encoder.run(states[0], frame_mask, stop=1)
    assert len(lower) == 1
    assert torch.equal(lower[0], states[1])
    assert all(torch.equal(ours, whole) for ours, whole in zip(upper, states[2:], strict=True))


def test_blocks_above_the_state_asked_for_are_not_run(encoder: SpeechEncoder) -> None:
    ran: list[int] = []
    for index, block in enumerate(encoder.blocks):
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
    hidden, frame_mask = encoder.front_end(encoder.prepare(noise()))
    encoder.run(hidden, frame_mask, start=0, stop=2)
    assert ran == [0, 1]


def test_blocks_that_do_not_exist_are_refused(encoder: SpeechEncoder) -> None:
    hidden, frame_mask = encoder.front_end(encoder.prepare(noise()))
    with pytest.raises(ValueError, match="do not exist"):
        encoder.run(hidden, frame_mask, start=0, stop=encoder.n_layers + 1)


def test_gradients_reach_every_weight_of_the_blocks_that_run(encoder: SpeechEncoder) -> None:
    encoder.train()
    with torch.no_grad():
        hidden, frame_mask = encoder.front_end(encoder.prepare(noise()))
        hidden = encoder.run(hidden, frame_mask, stop=1)[-1]
    loss = encoder.run(hidden, frame_mask, start=1)[-1][frame_mask].square().sum()
    weights = {name: weight for block in list(encoder.blocks)[1:] for name, weight in block.named_parameters()}
    gradients = torch.autograd.grad(loss, list(weights.values()))
    idle = [name for name, gradient in zip(weights, gradients, strict=True) if not gradient.any()]
    # Softmax ignores a constant added to all keys, which is all that their bias is.
    assert [name for name in idle if not name.endswith("k_proj.bias")] == []


def test_training_turns_dropout_on_in_the_blocks_and_nowhere_else(encoder: SpeechEncoder) -> None:
    encoder.train()
    inside = {id(module) for module in encoder.blocks.modules()}
    assert all(module.training for module in encoder.blocks.modules())
    assert [m for m in encoder.modules() if id(m) not in inside and m.training and m is not encoder] == []


def test_packed_linears_give_the_same_frames_and_leave_the_encoder_alone(encoder: SpeechEncoder) -> None:
    packed = packed_copy(encoder)
    ours, frame_mask = states_of(packed, noise())
    reference, _ = states_of(encoder, noise())
    for state, expected in zip(ours, reference, strict=True):
        assert relative(state[frame_mask], expected[frame_mask]) <= 1e-6
    assert not any(isinstance(module, PackedLinear) for module in encoder.modules())


def test_packed_encoders_do_not_depend_on_the_batch_for_real_speech(real_encoder: SpeechEncoder, shared: Path) -> None:
    packed = packed_copy(real_encoder)
    assert worst_difference(packed, real_speech(shared)) <= 1e-5
    ours, _ = states_of(packed, real_speech(shared)[:1])
    reference, _ = states_of(real_encoder, real_speech(shared)[:1])
    assert relative(ours[-1], reference[-1]) <= 1e-5


def test_evaluation_is_the_same_twice(encoder: SpeechEncoder) -> None:
    first, _ = states_of(encoder, noise())
    second, _ = states_of(encoder, noise())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_masked_frames_say_nothing_of_their_audio(encoder: SpeechEncoder) -> None:
    waveform = noise([32_000])[0]
    frames = encoder.frame_counts([32_000])[0]
    masked = torch.ones(1, frames, dtype=torch.bool)
    hidden, _ = encoder.front_end(encoder.prepare([waveform]), masked)
    other, _ = encoder.front_end(encoder.prepare([noise([32_000])[0][::-1].copy()]), masked)
    assert torch.equal(hidden, other)
    assert not torch.equal(hidden, encoder.front_end(encoder.prepare([waveform]))[0])


def test_feed_forward_linears_carry_their_names(encoder: SpeechEncoder) -> None:
    for block in encoder.blocks:
        linears = {name.rsplit(".", 1)[-1] for name, m in block.named_modules() if isinstance(m, torch.nn.Linear)}
        assert set(encoder.feed_forward_names) <= linears


def network_weights(encoder: SpeechEncoder) -> dict[str, Tensor]:
    return {name.removeprefix("network."): weight for name, weight in encoder.state_dict().items()}


def test_a_saved_encoder_opens_with_the_same_digest(encoder: SpeechEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "saved")
    assert open_encoder(tmp_path / "saved").digest == encoder.digest


def test_transformers_opens_a_saved_encoder_with_its_weights(encoder: SpeechEncoder, tmp_path: Path) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    encoder.save(tmp_path)
    network = AutoModel.from_pretrained(tmp_path)
    opened = (network.encoder if encoder.family == "whisper" else network).state_dict()
    ours = network_weights(encoder)
    assert ours.keys() == opened.keys()
    assert all(torch.equal(weight, opened[name]) for name, weight in ours.items())
    assert AutoFeatureExtractor.from_pretrained(tmp_path).sampling_rate == 16_000


def test_the_digest_changes_with_one_weight(folder: Path, tmp_path: Path) -> None:
    other = open_encoder(folder)
    next(iter(other.blocks[0].parameters())).data.view(-1)[0] += 1
    other.save(tmp_path)
    assert encoder_digest(tmp_path) != encoder_digest(folder)


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_the_digest_changes_with_the_number_of_heads(
    family: TinyFamily, tiny_folders: dict[TinyFamily, Path], tmp_path: Path
) -> None:
    open_encoder(tiny_folders[family]).save(tmp_path)
    edit_config(tmp_path, num_attention_heads=2, encoder_attention_heads=2)
    assert encoder_digest(tmp_path) != encoder_digest(tiny_folders[family])


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("head", ["Wav2Vec2ForPreTraining", "Wav2Vec2ForCTC", "Wav2Vec2ForSequenceClassification"])
def test_a_checkpoint_with_a_head_opens_as_its_encoder(
    head: str, tiny_folders: dict[TinyFamily, Path], tmp_path: Path
) -> None:
    import transformers

    network = getattr(transformers, head).from_pretrained(tiny_folders["wav2vec2"])
    network.save_pretrained(tmp_path)
    transformers.AutoFeatureExtractor.from_pretrained(tiny_folders["wav2vec2"]).save_pretrained(tmp_path)
    assert encoder_digest(tmp_path) == encoder_digest(tiny_folders["wav2vec2"])


@pytest.mark.parametrize("kind", ["WhisperModel", "WhisperForConditionalGeneration", "WhisperForAudioClassification"])
def test_whisper_opens_with_and_without_its_decoder(
    kind: str, tiny_folders: dict[TinyFamily, Path], tmp_path: Path
) -> None:
    import transformers

    original = open_encoder(tiny_folders["whisper"])
    network = getattr(transformers, kind)(transformers.AutoConfig.from_pretrained(tiny_folders["whisper"]))
    encoder = network.encoder if kind == "WhisperForAudioClassification" else network.get_encoder()
    encoder.load_state_dict(network_weights(original))
    network.save_pretrained(tmp_path)
    transformers.AutoFeatureExtractor.from_pretrained(tiny_folders["whisper"]).save_pretrained(tmp_path)
    assert encoder_digest(tmp_path) == original.digest


def test_float16_weights_are_opened_as_float32(shared: Path) -> None:
    encoder = open_encoder(shared / "encoders" / "whisper-tiny.en")
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}


def test_opening_leaves_global_randomness_as_it_was(folder: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    open_encoder(folder)
    assert torch.equal(torch.rand(3), expected)


def test_a_folder_without_weights_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(EncoderError, match="no weights"):
        open_encoder(tmp_path)


def test_a_folder_without_a_configuration_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no config\.json"):
        open_encoder(tmp_path)


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no encoder folder"):
        open_encoder(tmp_path / "absent")


def test_an_unsupported_family_is_named_with_those_that_are_supported(folder: Path, tmp_path: Path) -> None:
    open_encoder(folder).save(tmp_path)
    edit_config(tmp_path, model_type="bert")
    with pytest.raises(EncoderError, match=r"'bert'.*wav2vec2, hubert, wavlm, data2vec-audio, whisper"):
        open_encoder(tmp_path)


def test_nan_weights_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    encoder = open_encoder(folder)
    next(iter(encoder.blocks[1].parameters())).data.view(-1)[0] = float("nan")
    encoder.save(tmp_path)
    with pytest.raises(EncoderError, match=r"not finite in .*layers\.1"):
        open_encoder(tmp_path)


def test_incomplete_weights_are_refused_and_never_drawn_at_random(folder: Path, tmp_path: Path) -> None:
    open_encoder(folder).save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({name: w for name, w in weights.items() if "layers.1." not in name}, tmp_path / "model.safetensors")
    with pytest.raises(EncoderError, match=r"lacks .* weights of its encoder"):
        open_encoder(tmp_path)


def test_weights_cut_short_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    open_encoder(folder).save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(EncoderError, match="cannot open encoder"):
        open_encoder(tmp_path)


def test_an_unreachable_hub_is_a_named_error_at_once(tmp_path: Path) -> None:
    code = (
        "from al_core.encoders import EncoderError, open_encoder\n"
        "try: open_encoder('nobody/no-such-encoder')\n"
        "except EncoderError as error: print('refused:', error)\n"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stdout.startswith("refused: cannot open encoder nobody/no-such-encoder")


def test_a_clip_too_short_for_the_encoder_is_refused_by_name(encoder: SpeechEncoder) -> None:
    with pytest.raises(EncoderError, match="too short"):
        encoder.prepare([np.ones(150, dtype=np.float32)])


def test_a_clip_longer_than_whisper_hears_is_refused_by_name(tiny_folders: dict[TinyFamily, Path]) -> None:
    with pytest.raises(EncoderError, match=r"31\.0 s is longer than the 30 s"):
        open_encoder(tiny_folders["whisper"]).prepare(noise([31 * 16_000]))
