"""Normalisation left to the labels: done where it helps or cannot be tried, left out where it takes the emotion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, FeatureStore
from al_core.peft.probe import feature_spec
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips
from al_core.train import fine_tune

SCHEME = Scheme(("a", "b"))
AUTO = Recipe(layer=1, normalise_speakers="auto", normalise_sentences="auto")
N = 96


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("tiny")))


def told(encoder: SpeechEncoder, folder: Path, X: np.ndarray, classes: np.ndarray, speakers: list[str | None]):
    """The recipe and the notes of a fine-tuning on these embeddings, put into the store as if computed."""
    store = FeatureStore(folder)
    clips = tuple(
        Clip(f"clip-{i:03}", 1.0, speaker, lambda: np.zeros(1, np.float32), f"sentence-{i % 2}")
        for i, speaker in enumerate(speakers)
    )
    rows = {clip.key: row[None].astype(np.float32) for clip, row in zip(clips, X, strict=True)}
    store.append(encoder.digest, feature_spec(AUTO, encoder), rows)
    train = LabelledClips(clips, np.eye(2, dtype=np.float32)[classes])
    reports = list(fine_tune(AUTO, SCHEME, encoder, store, train, None))
    assert not any(report.warning for report in reports), "a decision is nothing to act on"
    return reports[-1].classifier.recipe, [report.note for report in reports if report.note]


def test_where_every_voice_has_every_class_both_are_done(encoder, tmp_path):
    rng, classes = np.random.default_rng(0), np.arange(N) // 2 % 2
    X = rng.standard_normal((N, 32))
    X[:, 0] += 4 * classes + 10 * rng.standard_normal(8)[np.arange(N) // 12] + 10 * (np.arange(N) % 2)  # voice, words
    recipe, notes = told(encoder, tmp_path, X, classes, [f"speaker-{i // 12}" for i in range(N)])
    assert (recipe.normalise_speakers, recipe.normalise_sentences) == (True, True)
    assert notes == []


def test_where_a_voice_has_one_class_speakers_are_left_as_they_are_and_the_operator_is_told(encoder, tmp_path):
    rng, speakers = np.random.default_rng(0), np.arange(N) // 12
    classes = speakers % 2
    X = rng.standard_normal((N, 32))
    X[:, 0] += 6 * classes
    recipe, notes = told(encoder, tmp_path, X, classes, [f"speaker-{i}" for i in speakers])
    assert recipe.normalise_speakers is False
    assert len(notes) == 1 and notes[0].startswith("left out: speaker normalisation")
    assert "alpha within speakers is 1.00" in notes[0]


def test_what_whose_they_are_does_not_tell_is_tried_on_speakers_who_were_held_out(encoder, tmp_path):
    rng, classes = np.random.default_rng(0), np.arange(N) % 2  # by turns: each class has a sentence of its own
    X = rng.standard_normal((N, 32))
    X[:, 0] += 6 * classes
    recipe, notes = told(encoder, tmp_path, X, classes, [f"speaker-{i // 12}" for i in range(N)])
    assert (recipe.normalise_speakers, recipe.normalise_sentences) == (True, False)
    assert len(notes) == 1 and notes[0].startswith("left out: sentence centring")
    assert "over the labelled speakers" in notes[0]


def test_where_nobody_is_known_clips_are_held_out_and_it_is_told_so(encoder, tmp_path):
    rng, classes = np.random.default_rng(0), np.arange(N) % 2  # each class has a sentence of its own
    X = rng.standard_normal((N, 32))
    X[:, 0] += 6 * classes
    recipe, notes = told(encoder, tmp_path, X, classes, [None] * N)
    assert recipe.normalise_sentences is False
    assert len(notes) == 1 and notes[0].startswith("left out: sentence centring")
    assert "over the labelled clips" in notes[0]


def test_what_cannot_be_tried_is_done(encoder, tmp_path):
    rng, classes = np.random.default_rng(0), np.arange(N) % 2
    recipe, notes = told(encoder, tmp_path, rng.standard_normal((N, 32)), classes, ["the only one"] * N)
    assert (recipe.normalise_speakers, recipe.normalise_sentences) == (True, True)
    assert notes == []


def test_a_recipe_that_has_decided_is_not_asked(encoder, tmp_path):
    store, rng = FeatureStore(tmp_path), np.random.default_rng(0)
    recipe = replace(AUTO, normalise_speakers=False, normalise_sentences=False)
    clips = tuple(Clip(f"{i}", 1.0, f"{i % 3}", lambda: np.zeros(1, np.float32)) for i in range(12))
    rows = {clip.key: rng.standard_normal((1, 32)).astype(np.float32) for clip in clips}
    store.append(encoder.digest, feature_spec(recipe, encoder), rows)
    train = LabelledClips(clips, np.eye(2, dtype=np.float32)[np.arange(12) % 2])
    assert {report.stage for report in fine_tune(recipe, SCHEME, encoder, store, train, None)} == {"embed", "done"}
