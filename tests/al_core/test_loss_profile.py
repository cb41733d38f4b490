"""Loss profiles of every encoder family against their definition, one clip and one stretch at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from al_core.audio import Waveform, decode
from al_core.encoders import open_encoder
from al_core.encoders.tiny import TINY_FAMILIES, TinyFamily, build_tiny
from al_core.features import Clip, FeatureError, FeatureSpec, FeatureStore, embed
from al_core.features.loss_profile import STRETCHES
from al_core.pool import PoolView
from al_core.strategies.profiles import profile_spec, profiled
from al_core.strategies.query import query
from al_core.strategies.specs import Alps, Explored, Random

LENGTHS = (16_000, 23_457, 1_700, 40_011)


def clips() -> list[Clip]:
    rng = np.random.default_rng(0)
    waves = [(0.1 * rng.standard_normal(n) + 0.01).astype(np.float32) for n in LENGTHS]
    return [Clip(f"{i}", len(wave) / 16_000, None, lambda wave=wave: wave) for i, wave in enumerate(waves)]


def by_definition(encoder: torch.nn.Module, waveform: Waveform, layer: int) -> list[float]:
    """The clip alone, one stretch after another."""
    with torch.no_grad():
        batch = encoder.prepare([waveform])
        [frames] = batch.lengths

        def last(masked: torch.Tensor | None) -> torch.Tensor:
            hidden, mask = encoder.front_end(batch, masked)
            return encoder.run(hidden, mask, 0, layer)[-1][0] if layer else hidden[0]

        losses = []
        for t in range(STRETCHES):
            start, stop = t * frames // STRETCHES, max((t + 1) * frames // STRETCHES, t * frames // STRETCHES + 1)
            masked = torch.zeros(1, frames, dtype=torch.bool)
            masked[0, start:stop] = True
            cosine = F.cosine_similarity(last(masked)[start:stop], last(None)[start:stop], dim=-1)
            losses.append(float((1 - cosine).mean()))
    return losses


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("family", TINY_FAMILIES)
def test_a_profile_is_its_definition_whoever_shares_the_minibatch(
    family: TinyFamily, layer: int, tmp_path: Path
) -> None:
    encoder, store = open_encoder(build_tiny(family, tmp_path / "encoder")), FeatureStore(tmp_path / "store")
    spec, given = FeatureSpec(layer, "loss_profile"), clips()
    *_, told = embed(encoder, store, [spec, FeatureSpec(1, "mean")], given)
    profiles = store.pooled(encoder.digest, spec, [clip.key for clip in given])
    assert told.done == len(given) and profiles.shape == (len(given), STRETCHES)
    assert ((profiles >= 0) & (profiles <= 2)).all() and (profiles > 0).any()
    for clip, row in zip(given, profiles, strict=True):
        np.testing.assert_allclose(row, by_definition(encoder, clip.load(), layer), atol=2e-5)


def test_a_profile_is_of_one_hidden_state() -> None:
    with pytest.raises(FeatureError, match="of one hidden state"):
        FeatureSpec(2, "loss_profile", beside=(1,))


def test_only_the_strategy_that_reads_them_has_them_computed(tmp_path: Path) -> None:
    encoder, store = open_encoder(build_tiny("hubert", tmp_path / "encoder")), FeatureStore(tmp_path / "store")
    given = clips()
    nothing = np.zeros((0, 3), np.float32)
    seconds = np.array([clip.duration_s for clip in given], np.float32)
    pool = PoolView(np.eye(4, 3, dtype=np.float32), None, nothing, np.zeros(0, np.int64), 2, seconds)
    assert profiled(pool, Random(), encoder, store, given) is pool
    assert store.missing(encoder.digest, profile_spec(encoder), ["0"]) == ["0"]
    for strategy in (Alps(), Explored(Alps())):
        seen = profiled(pool, strategy, encoder, store, given)
        assert seen.loss_profile is not None and seen.loss_profile.shape == (4, STRETCHES)
        assert len(set(query(strategy, seen, 3, np.random.default_rng(0)).positions.tolist())) == 3


def test_speech_surprises_a_real_encoder_more_than_a_steady_tone(shared: Path, tmp_path: Path) -> None:
    encoder = open_encoder(shared / "encoders" / "whisper-tiny.en")
    heard = [decode(path) for path in sorted((shared / "data" / "emodb-4class").rglob("*.flac"))[:6]]
    speech = [Clip(f"{i}", len(wave) / 16_000, None, lambda wave=wave: wave) for i, wave in enumerate(heard)]
    tone = (0.1 * np.sin(2 * np.pi * 200 * np.arange(40_000) / 16_000)).astype(np.float32)
    given = [*speech, Clip("tone", 2.5, None, lambda: tone)]
    store, spec = FeatureStore(tmp_path), profile_spec(encoder)
    for _ in embed(encoder, store, [spec], given):
        pass
    profiles = store.pooled(encoder.digest, spec, [clip.key for clip in given])
    assert np.isfinite(profiles).all() and profiles[:-1].mean() > 0.01
    assert profiles[:-1].std(axis=1).min() > 0.001, "a clip's stretches differ"
    assert np.median(profiles[:-1]) > np.median(profiles[-1])
