"""Noise: exact in its loudness, the same for a seed, new in every epoch, and never mixed up with clean features."""

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from al_core.audio import decode
from al_core.encoders import open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.evaluation.evaluate import Truth
from al_core.features import Clip, FeatureStore
from al_core.noise import SNRS_DB, NoiseError, at_snr, augmented, evaluate_under_noise, noisy, open_recordings
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import Probe
from al_core.recipe import Augment, Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips


def tone(i: int) -> np.ndarray:
    """A low or a high voice with a pause, 0.5 to 0.7 s."""
    t = np.arange(8_000 + 800 * (i % 5)) / 16_000
    voice = 0.3 * np.sin(2 * np.pi * (150 if i % 2 == 0 else 900) * (1 + 0.01 * i) * t)
    voice[3_000:5_000] = 0
    return voice.astype(np.float32)


def clip(i: int) -> Clip:
    return Clip(f"clip-{i}", len(tone(i)) / 16_000, f"speaker-{i % 3}", partial(tone, i))


CLIPS = tuple(clip(i) for i in range(12))


def recording(key: str, waveform: np.ndarray) -> Clip:
    return Clip(key, len(waveform) / 16_000, None, lambda: waveform.astype(np.float32))


def hum(seed: int, n: int = 3_000) -> Clip:
    return recording(f"hum-{seed}", np.random.default_rng(seed).laplace(size=n) * 0.1)


def snr_db(clean: np.ndarray, mixed: np.ndarray) -> float:
    noise = mixed.astype(np.float64) - clean
    return 10 * np.log10((clean.astype(np.float64) ** 2).sum() / (noise**2).sum())


@pytest.mark.parametrize("wanted", SNRS_DB)
@pytest.mark.parametrize("noises", [None, (hum(1), hum(2))], ids=["gaussian", "recordings"])
def test_the_ratio_measured_on_the_result_is_the_one_asked_for(wanted, noises):
    for clean, mixed in zip(CLIPS, noisy(CLIPS, wanted, noises, seed=3), strict=True):
        assert snr_db(clean.load(), mixed.load()) == pytest.approx(wanted, abs=0.01)


def test_real_noise_lies_under_real_speech_at_the_ratio_asked_for(shared: Path):
    speech = sorted((shared / "data/emodb-2s/audio").glob("*.flac"))[:6]
    clips = tuple(Clip(path.stem, 2.0, None, partial(decode, path)) for path in speech)
    recordings = open_recordings(shared / "data/noise")
    assert len(recordings) == 400
    assert len({one.key for one in recordings}) == 400
    for wanted in SNRS_DB:
        for clean, mixed in zip(clips, noisy(clips, wanted, recordings, seed=0), strict=True):
            assert snr_db(clean.load(), mixed.load()) == pytest.approx(wanted, abs=0.01)


def test_gaussian_noise_is_white_and_normal():
    clean = recording("long", np.sin(np.arange(64_000) / 20))
    noise = noisy([clean], 5, None, seed=0)[0].load() - clean.load()
    assert abs(noise.mean()) < 0.01 * noise.std() * 2
    assert ((noise / noise.std()) ** 4).mean() == pytest.approx(3, abs=0.1)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    low, high = np.split(spectrum[: len(spectrum) // 2 * 2], 2)
    assert low.mean() == pytest.approx(high.mean(), rel=0.05)


def test_every_clip_gets_noise_of_its_own_and_the_same_at_every_ratio():
    loud, soft = (noisy(CLIPS, wanted, None, seed=0) for wanted in (0, 20))
    noises = [one.load() - clean.load() for one, clean in zip(loud, CLIPS, strict=True)]
    assert abs(np.corrcoef(noises[0], noises[5][: len(noises[0])])[0, 1]) < 0.1
    for i in range(3):
        softer = soft[i].load() - CLIPS[i].load()
        assert np.corrcoef(noises[i], softer)[0, 1] > 0.999
        assert np.linalg.norm(noises[i]) == pytest.approx(10 * np.linalg.norm(softer), rel=1e-3)


def test_a_clip_s_noise_is_decided_by_seed_and_key_alone():
    again = noisy(CLIPS[::-1], 10, None, seed=1)[::-1]
    for one, other, third in zip(noisy(CLIPS, 10, None, 1), again, noisy(CLIPS, 10, None, 2), strict=True):
        np.testing.assert_array_equal(one.load(), other.load())
        np.testing.assert_array_equal(one.load(), one.load())
        assert not np.array_equal(one.load(), third.load())


def test_equal_keys_mean_equal_waveforms():
    made = [
        *CLIPS[:2],
        *(
            one
            for wanted in (0, 10)
            for seed in (0, 1)
            for noises in (None, (hum(1),), (hum(2),))
            for one in noisy(CLIPS[:2], wanted, noises, seed)
        ),
        *(
            one
            for augment in (Augment(), Augment(snr_low_db=5), Augment(time_mask_share=0.3))
            for seed in (0, 1)
            for epoch in (1, 2)
            for one in augmented(CLIPS[:2], augment, seed, epoch)
        ),
    ]
    waveforms = {one.load().tobytes() for one in made}
    assert len({one.key for one in made}) == len(waveforms) == len(made)
    assert all(one.duration_s == CLIPS[i % 2].duration_s for i, one in enumerate(made))
    assert all(one.speaker == CLIPS[i % 2].speaker for i, one in enumerate(made))


def test_silence_in_a_recording_is_passed_over_and_silent_recordings_are_refused():
    half = np.zeros(40_000)
    half[:12_000] = np.random.default_rng(0).normal(size=12_000)
    for clean, mixed in zip(CLIPS, noisy(CLIPS, 0, (recording("half", half),), seed=0), strict=True):
        assert snr_db(clean.load(), mixed.load()) == pytest.approx(0, abs=0.01)
    silent = noisy(CLIPS[:1], 0, (recording("silent", np.zeros(9_000)),), seed=0)
    with pytest.raises(NoiseError, match="clip clip-0"):
        silent[0].load()
    with pytest.raises(NoiseError, match="no recording"):
        noisy(CLIPS, 0, (), seed=0)


def test_noise_is_refused_when_silent_or_of_another_length_and_silence_stays_silence():
    with pytest.raises(NoiseError, match="silent"):
        at_snr(tone(0), np.zeros_like(tone(0)), 0)
    with pytest.raises(NoiseError, match="cut or repeat"):
        at_snr(tone(0), tone(1), 0)
    np.testing.assert_array_equal(at_snr(np.zeros(9, np.float32), np.ones(9, np.float32), 0), np.zeros(9))


def test_augmentation_draws_the_ratio_from_its_range_and_silences_one_span_up_to_its_share():
    augment = Augment(snr_low_db=10, snr_high_db=30, time_mask_share=0.2)
    ratios, shares = [], []
    for epoch in range(1, 40):
        for clean, one in zip(CLIPS[:4], augmented(CLIPS[:4], augment, 0, epoch), strict=True):
            waveform, clear = one.load(), clean.load()
            silent = np.flatnonzero(waveform == 0)
            if len(silent):
                assert (np.diff(silent) == 1).all(), "one span"
            shares.append(len(silent) / len(waveform))
            kept = waveform != 0
            ratios.append(snr_db(clear[kept], waveform[kept]))
    assert 9 < min(ratios) < 12
    assert 28 < max(ratios) < 31.5
    assert np.mean(ratios) == pytest.approx(20, abs=1.5)
    assert 0.17 < max(shares) <= 0.2
    assert np.mean(shares) == pytest.approx(0.1, abs=0.02)


def test_augmentation_is_new_in_every_epoch_and_the_same_for_a_seed():
    first, again, later = (augmented(CLIPS, Augment(), 0, epoch) for epoch in (1, 1, 2))
    for one, same, other in zip(first, again, later, strict=True):
        assert one.key == same.key != other.key
        np.testing.assert_array_equal(one.load(), same.load())
        assert not np.array_equal(one.load(), other.load())


def test_augmentation_leaves_as_many_clips_alone_as_its_probability_says():
    clips = tuple(Clip(f"clip-{i}", 0.5, None, lambda: tone(0)) for i in range(600))
    found = augmented(clips, Augment(probability=0.3), 0, 1)
    assert np.mean([one is not clean for one, clean in zip(found, clips, strict=True)]) == pytest.approx(0.3, abs=0.06)


def test_without_a_mask_nothing_is_silenced():
    for one in augmented(CLIPS, Augment(time_mask_share=0), 0, 1):
        assert (one.load() != 0).all()


def test_the_clean_waveform_is_not_changed_by_adding_noise():
    waveform = tone(0)
    kept, clean = waveform.copy(), Clip("held", 0.5, None, lambda: waveform)
    for one in (*noisy([clean], 0, None, 0), *augmented([clean], Augment(time_mask_share=0.9), 0, 1)):
        one.load()
        np.testing.assert_array_equal(waveform, kept)


def test_figures_fall_under_noise_and_the_clean_features_stay_as_they_were(tmp_path: Path):
    encoder = open_encoder(build_tiny("whisper", tmp_path / "encoder"))
    store, scheme = FeatureStore(tmp_path / "features"), Scheme(("low", "high"))
    targets = np.eye(2, dtype=np.float32)[np.arange(12) % 2]
    recipe = Recipe(layer=1, pooling="mean_std")
    probe = ProbeClassifier.fit(recipe, scheme, encoder, store, LabelledClips(CLIPS, targets), (), Probe(c=1.0))
    clean = probe.predict(CLIPS).probabilities
    truth = Truth.of(LabelledClips(CLIPS, targets))
    speakers = [one.speaker for one in CLIPS]
    found = evaluate_under_noise(probe, CLIPS, truth, speakers, scheme, snrs_db=(60, 20, -20))
    assert list(found) == [60, 20, -20]
    uars = [one.classes.uar for one in found.values() if one.classes is not None]
    assert uars[0] == 1
    assert uars[2] < 0.8
    np.testing.assert_array_equal(probe.predict(CLIPS).probabilities, clean)


def test_noisy_clips_can_go_to_another_process_where_clean_ones_can():
    clean = Clip("clip-0", 0.5, None, partial(np.ones, 8_000, np.float32))
    for one in (*noisy([clean], 0, None, 0), *augmented([clean], Augment(), 0, 1)):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).load(), one.load())


def test_a_folder_without_recordings_is_refused(tmp_path: Path):
    (tmp_path / "readme.txt").write_text("no audio")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NoiseError, match="holds no recording"):
            open_recordings(folder)
