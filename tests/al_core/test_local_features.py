"""Local features: what the convolutions make of a clip, the targets of contrastive learning."""

from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TINY_FAMILIES, build_tiny

LENGTHS = (9_600, 16_000, 6_400)


@pytest.fixture(scope="module", params=TINY_FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param))


def noise(length: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(length).standard_normal(length)).astype(np.float32)


def test_every_clip_has_its_frames_whatever_is_beside_it_or_hidden(encoder: SpeechEncoder) -> None:
    batch = encoder.prepare([noise(length) for length in LENGTHS])
    masked = torch.zeros(3, max(batch.lengths), dtype=torch.bool)
    masked[:, 2:6] = True
    with torch.no_grad():
        hidden, frame_mask, features = encoder.front_end_and_features(batch, masked)
        plain, plain_mask = encoder.front_end(batch, masked)
        for length, row, frames in zip(LENGTHS, features, batch.lengths, strict=True):
            assert row.shape == (frames, encoder.feature_size)
            (alone,) = encoder.local_features(encoder.prepare([noise(length)]))
            assert torch.equal(row, alone)
    assert torch.equal(hidden, plain)
    assert torch.equal(frame_mask, plain_mask)


def test_those_of_wav2vec2_are_what_transformers_quantises(tmp_path: Path) -> None:
    import transformers

    folder = build_tiny("wav2vec2", tmp_path)
    encoder = open_encoder(folder)
    batch = encoder.prepare([noise(16_000)])
    with torch.no_grad():
        theirs = transformers.AutoModel.from_pretrained(folder)(batch.inputs[0][None]).extract_features[0]
        assert torch.allclose(encoder.local_features(batch)[0], theirs, atol=1e-6)


def test_those_of_whisper_are_hidden_state_0_without_positions(tmp_path: Path) -> None:
    encoder = open_encoder(build_tiny("whisper", tmp_path))
    batch = encoder.prepare([noise(16_000)])
    with torch.no_grad():
        hidden, _ = encoder.front_end(batch)
        positions = encoder.get_submodule("network").get_parameter("embed_positions.weight")
        assert torch.allclose(encoder.local_features(batch)[0], hidden[0] - positions[:50], atol=1e-6)
