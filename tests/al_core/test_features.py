"""Features: computed once, stored whole or not at all, read back as they were computed."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from al_core.audio import AudioError, Waveform
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, EmbedReport, FeatureError, FeatureSpec, FeatureStore, embed

MEAN = FeatureSpec(layer=2, pooling="mean")
DIGEST = "d" * 64


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny("hubert", tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


def waveform_of(seed: int) -> Waveform:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(int(rng.integers(4_000, 30_000)))).astype(np.float32)


def clip_of(seed: int) -> Clip:
    return Clip(f"clip-{seed}", len(waveform_of(seed)) / 16_000, None, partial(waveform_of, seed))


def clips(n: int) -> list[Clip]:
    return [clip_of(seed) for seed in range(n)]


def keys(of: Sequence[Clip]) -> list[str]:
    return [clip.key for clip in of]


def last(reports: Iterator[EmbedReport]) -> EmbedReport:
    return list(reports)[-1]


@torch.no_grad()
def frames_of(encoder: SpeechEncoder, clip: Clip, layer: int) -> NDArray[np.float32]:
    """Literal reference: one clip alone, every block run."""
    hidden, frame_mask = encoder.front_end(encoder.prepare([clip.load()]))
    frames: NDArray[np.float32] = [hidden, *encoder.run(hidden, frame_mask)][layer][0].numpy()
    return frames


def assert_close(ours: NDArray[Any], reference: NDArray[Any]) -> None:
    np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_pooled_features_are_the_mean_of_the_clip_alone(
    layer: int, encoder: SpeechEncoder, store: FeatureStore
) -> None:
    spec = FeatureSpec(layer, "mean")
    last(embed(encoder, store, [spec], clips(9)))
    pooled = store.pooled(encoder.digest, spec, keys(clips(9)))
    assert pooled.dtype == np.float32
    assert_close(pooled, np.stack([frames_of(encoder, clip, layer).mean(axis=0) for clip in clips(9)]))


def test_mean_std_puts_the_population_deviation_beside_the_mean(encoder: SpeechEncoder, store: FeatureStore) -> None:
    spec = FeatureSpec(1, "mean_std")
    last(embed(encoder, store, [spec], clips(5)))
    for clip, row in zip(clips(5), store.pooled(encoder.digest, spec, keys(clips(5))), strict=True):
        frames = frames_of(encoder, clip, 1)
        assert_close(row, np.concatenate([frames.mean(axis=0), frames.std(axis=0)]))


def test_frames_are_read_back_unpadded_without_a_copy(encoder: SpeechEncoder, store: FeatureStore) -> None:
    spec = FeatureSpec(2, "frames")
    last(embed(encoder, store, [spec], clips(6)))
    for clip in clips(6):
        frames = store.frames(encoder.digest, spec, clip.key)
        assert_close(frames, frames_of(encoder, clip, 2))
        assert not frames.flags.owndata
        assert not frames.flags.writeable


def test_float16_is_stored_as_such_and_pooled_as_float32(encoder: SpeechEncoder, store: FeatureStore) -> None:
    half, full = FeatureSpec(2, "frames", "float16"), FeatureSpec(2, "mean", "float16")
    last(embed(encoder, store, [half, full], clips(2)))
    assert store.frames(encoder.digest, half, "clip-0").dtype == np.float16
    pooled = store.pooled(encoder.digest, full, ["clip-0"])
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled[0], frames_of(encoder, clip_of(0), 2).mean(axis=0), rtol=2e-3, atol=2e-3)


def test_several_specs_are_computed_in_one_pass_over_the_audio(encoder: SpeechEncoder, store: FeatureStore) -> None:
    loaded: list[str] = []

    def counted(seed: int) -> Waveform:
        loaded.append(f"clip-{seed}")
        return waveform_of(seed)

    counted_clips = [Clip(f"clip-{seed}", 1.0, None, partial(counted, seed)) for seed in range(4)]
    specs = [FeatureSpec(layer, "mean") for layer in range(4)]
    last(embed(encoder, store, specs, counted_clips))
    assert sorted(loaded) == keys(clips(4))
    assert [store.missing(encoder.digest, spec, keys(clips(4))) for spec in specs] == [[]] * 4


def test_blocks_above_the_highest_layer_asked_for_are_not_run(tmp_path: Path, store: FeatureStore) -> None:
    encoder = open_encoder(build_tiny("whisper", tmp_path / "tiny"))
    ran: set[int] = set()
    for index, block in enumerate(encoder.blocks):
        block.register_forward_hook(lambda *_, index=index: ran.add(index))
    last(embed(encoder, store, [FeatureSpec(2, "mean"), FeatureSpec(1, "mean")], clips(2)))
    assert ran == {0, 1}


def test_only_missing_clips_are_computed(encoder: SpeechEncoder, store: FeatureStore) -> None:
    last(embed(encoder, store, [MEAN], clips(3)))
    reports = list(embed(encoder, store, [MEAN], clips(5)))
    assert reports[0] == EmbedReport(3, 5, 0.0)
    assert reports[-1].done == reports[-1].total == 5
    expected = sum(len(waveform_of(seed)) for seed in (3, 4)) / 16_000
    assert reports[-1].seconds_audio == pytest.approx(expected)


def test_a_key_given_twice_is_computed_once(encoder: SpeechEncoder, store: FeatureStore) -> None:
    report = last(embed(encoder, store, [MEAN], [clip_of(0), clip_of(0)]))
    assert (report.done, report.total) == (1, 1)
    assert store.pooled(encoder.digest, MEAN, ["clip-0", "clip-0"]).shape == (2, encoder.hidden_size)


def test_nothing_to_embed_is_reported_and_leaves_no_trace(encoder: SpeechEncoder, store: FeatureStore) -> None:
    assert list(embed(encoder, store, [MEAN], [])) == [EmbedReport(0, 0, 0.0)]
    assert not store.root.exists()


def test_a_clip_that_cannot_be_decoded_is_named_and_the_others_are_kept(
    encoder: SpeechEncoder, store: FeatureStore
) -> None:
    def refuse() -> Waveform:
        raise AudioError("unreadable", "it is damaged")

    broken = Clip("broken", 0.01, None, refuse)
    with pytest.raises(FeatureError, match="clip broken cannot be decoded: it is damaged"):
        last(embed(encoder, store, [MEAN], [*clips(3), broken]))
    assert store.missing(encoder.digest, MEAN, [*keys(clips(3)), "broken"]) == ["broken"]


def test_a_clip_too_short_for_the_encoder_is_named(encoder: SpeechEncoder, store: FeatureStore) -> None:
    short = Clip("short", 0.001, None, lambda: np.ones(16, dtype=np.float32))
    with pytest.raises(FeatureError, match=r"clips? short.*too short"):
        last(embed(encoder, store, [MEAN], [short]))


def test_a_layer_that_does_not_exist_is_refused(encoder: SpeechEncoder, store: FeatureStore) -> None:
    with pytest.raises(FeatureError, match="layer 4 does not exist"):
        last(embed(encoder, store, [FeatureSpec(4, "mean")], clips(1)))
    with pytest.raises(FeatureError, match="negative"):
        FeatureSpec(-1, "mean")


def test_closing_the_iterator_early_keeps_what_was_computed(encoder: SpeechEncoder, store: FeatureStore) -> None:
    many = [Clip(f"clip-{seed}", 9.0, None, partial(waveform_of, seed)) for seed in range(6)]
    running = embed(encoder, store, [MEAN], many)
    reports = [next(running) for _ in range(3)]
    running.close()  # type: ignore[attr-defined]  # a generator, as its docstring says
    assert reports[-1].done == 2
    assert len(store.missing(encoder.digest, MEAN, keys(many))) == 4


def test_a_missing_feature_is_named_when_read(store: FeatureStore) -> None:
    with pytest.raises(FeatureError, match="clip nowhere has no such feature"):
        store.pooled(DIGEST, MEAN, ["nowhere"])
    with pytest.raises(FeatureError, match="clip nowhere has no such feature"):
        store.frames(DIGEST, FeatureSpec(0, "frames"), "nowhere")


def rows(start: int, stop: int, width: int = 4) -> dict[str, NDArray[np.float32]]:
    return {f"k{i}": np.full((1, width), i, dtype=np.float32) for i in range(start, stop)}


def test_segments_of_other_processes_are_seen_by_an_open_store(store: FeatureStore) -> None:
    store.append(DIGEST, MEAN, rows(0, 3))
    other = FeatureStore(store.root)
    assert other.missing(DIGEST, MEAN, ["k0", "k5"]) == ["k5"]
    store.append(DIGEST, MEAN, rows(5, 6))
    assert other.missing(DIGEST, MEAN, ["k0", "k5"]) == []
    np.testing.assert_array_equal(other.pooled(DIGEST, MEAN, ["k5", "k0"])[:, 0], [5, 0])


def test_a_clip_stored_twice_is_read_once(store: FeatureStore) -> None:
    store.append(DIGEST, MEAN, rows(0, 3))
    store.append(DIGEST, MEAN, rows(1, 4))
    np.testing.assert_array_equal(store.pooled(DIGEST, MEAN, ["k3", "k2", "k0"])[:, 0], [3, 2, 0])


def test_encoders_layers_poolings_and_dtypes_do_not_mix(store: FeatureStore) -> None:
    store.append(DIGEST, MEAN, rows(0, 1))
    elsewhere = [FeatureSpec(3, "mean"), FeatureSpec(2, "mean_std"), FeatureSpec(2, "mean", "float16")]
    assert [store.missing(DIGEST, spec, ["k0"]) for spec in elsewhere] == [["k0"]] * 3
    assert store.missing("e" * 64, MEAN, ["k0"]) == ["k0"]


@pytest.mark.parametrize("damage", ["no data", "short data", "garbage data", "short index", "no index", "wrong index"])
def test_a_damaged_segment_is_ignored_and_its_clips_are_missing(damage: str, store: FeatureStore) -> None:
    store.append(DIGEST, MEAN, rows(0, 2))
    data = next(store.root.rglob("*.npy"))
    index = data.with_suffix(".json")
    match damage:
        case "no data":
            data.unlink()
        case "short data":
            data.write_bytes(data.read_bytes()[:-4])
        case "garbage data":
            data.write_bytes(b"x" * data.stat().st_size)
        case "short index":
            index.write_bytes(index.read_bytes()[:-2])
        case "no index":
            index.unlink()
        case "wrong index":
            index.write_text('["k0"]')
    store.append(DIGEST, MEAN, rows(5, 6))
    fresh = FeatureStore(store.root)
    assert fresh.missing(DIGEST, MEAN, ["k0", "k1", "k5"]) == ["k0", "k1"]
    assert fresh.pooled(DIGEST, MEAN, ["k5"])[0, 0] == 5


def test_a_full_disk_is_a_named_error_that_names_the_folder(store: FeatureStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        with pytest.raises(FeatureError, match=f"cannot be written to {store.root}"):
            store.append(DIGEST, MEAN, rows(0, 10, width=1_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(store.root.rglob("*.*")) == []
    assert store.missing(DIGEST, MEAN, ["k0"]) == ["k0"]


def test_a_hundred_thousand_clips_in_many_segments_come_back_in_the_order_asked_for(store: FeatureStore) -> None:
    for start in range(0, 100_000, 2_000):
        store.append(DIGEST, MEAN, rows(start, start + 2_000))
    order = np.random.default_rng(0).permutation(100_000)
    pooled = FeatureStore(store.root).pooled(DIGEST, MEAN, [f"k{i}" for i in order])
    np.testing.assert_array_equal(pooled, np.repeat(order[:, None], 4, axis=1))


def ten_seconds(seed: int) -> Waveform:
    return (0.1 * np.random.default_rng(seed).standard_normal(160_000)).astype(np.float32)


def long_clips() -> list[Clip]:
    return [Clip(f"long-{seed}", 10.0, None, partial(ten_seconds, seed)) for seed in range(40)]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
import test_features as here
from al_core.encoders import open_encoder
for report in here.embed(open_encoder({encoder!r}), here.FeatureStore(Path({root!r})), [here.MEAN], here.long_clips()):
    if report.done == 36:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_embedding_is_resumed_and_only_the_unwritten_segment_is_computed_again(
    encoder: SpeechEncoder, store: FeatureStore, tmp_path: Path
) -> None:
    code = KILLED.format(here=str(Path(__file__).parent), root=str(store.root), encoder=encoder.source)
    killed = subprocess.run([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=240)
    assert killed.returncode == -signal.SIGKILL
    # What a kill in the middle of writing leaves behind.
    (next(store.root.rglob("*.npy")).parent / "cut-off.npy.partial").write_bytes(b"half a segment")
    every = keys(long_clips())
    # A segment holds 300 s, which is 30 of these clips.
    assert len(store.missing(encoder.digest, MEAN, every)) == 10
    reports = list(embed(encoder, store, [MEAN], long_clips()))
    assert reports[0] == EmbedReport(30, 40, 0.0)
    assert reports[-1] == EmbedReport(40, 40, 100.0)
    whole = FeatureStore(tmp_path / "whole")
    last(embed(encoder, whole, [MEAN], long_clips()))
    assert_close(store.pooled(encoder.digest, MEAN, every), whole.pooled(encoder.digest, MEAN, every))


def test_hidden_states_stand_side_by_side_each_as_it_is_alone(encoder, store):
    together, alone = FeatureSpec(2, "active_mean", beside=(0, 1)), [FeatureSpec(i, "active_mean") for i in range(3)]
    for _ in embed(encoder, store, [together, *alone], clips(3)):
        pass
    parts = [store.pooled(encoder.digest, spec, keys(clips(3))) for spec in alone]
    np.testing.assert_array_equal(store.pooled(encoder.digest, together, keys(clips(3))), np.concatenate(parts, axis=1))


def test_the_mean_of_active_frames_does_not_hear_silence(encoder, store):
    loud = waveform_of(0)[:16_000]
    padded = Clip("padded", 2.0, None, lambda: np.concatenate([loud, np.zeros(16_000, np.float32)]))
    frames, active, mean = (FeatureSpec(1, pooling) for pooling in ("frames", "active_mean", "mean"))
    for _ in embed(encoder, store, [frames, active, mean], [padded]):
        pass
    heard = store.frames(encoder.digest, frames, "padded")
    found = store.pooled(encoder.digest, active, ["padded"])[0]
    half = len(heard) // 2
    apart = [np.abs(found - heard[:n].mean(axis=0)).max() for n in (half - 1, half, half + 1)]
    assert min(apart) < 1e-5 < np.abs(found - store.pooled(encoder.digest, mean, ["padded"])[0]).max()


@pytest.mark.parametrize("beside", [(1, 0), (2,), (-1,)])
def test_hidden_states_are_named_once_and_in_order(beside):
    with pytest.raises(FeatureError, match=r"once|negative"):
        FeatureSpec(2, "mean", beside=beside)
