"""The probe: classes, dimensions or both from one layer of a real encoder, and back from its arrays."""

from pathlib import Path

import numpy as np
import pytest

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.evaluation.metrics import ccc, uar
from al_core.features import Clip, FeatureStore
from al_core.peft.probe import ProbeClassifier, embeddings, feature_spec
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips, TargetError

HEIGHT = Dimension("height", 100, 1000)
SCHEMES = {
    "classes": Scheme(("low", "high", "unheard")),
    "dimensions": Scheme((), (HEIGHT,)),
    "both": Scheme(("low", "high", "unheard"), (HEIGHT,)),
}
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def pitch(i: int) -> float:
    return 150.0 + 800 * ((7 * i) % 20) / 20


def tone(i: int) -> np.ndarray:
    rng = np.random.default_rng(i)
    t = np.arange(6_400 + 800 * (i % 4)) / 16_000
    return (0.3 * np.sin(2 * np.pi * pitch(i) * t) + 0.02 * rng.standard_normal(len(t))).astype(np.float32)


def labelled(scheme: Scheme, first: int = 0, n: int = 40) -> LabelledClips:
    """Tones whose class is low or high and whose dimension is their pitch; some of either missing when both exist."""
    clips = tuple(
        Clip(f"clip-{i}", len(tone(i)) / 16_000, f"speaker-{i % 3}", lambda i=i: tone(i))
        for i in range(first, first + n)
    )
    pitches = np.array([pitch(i) for i in range(first, first + n)], dtype=np.float32)
    targets = np.eye(3, dtype=np.float32)[(pitches > 550).astype(int)][:, : len(scheme.classes)]
    dimensions = pitches[:, None] if scheme.dimensions else None
    if scheme.classes and dimensions is not None:
        targets[0], dimensions[1] = 0, np.nan
    return LabelledClips(clips, targets, dimensions)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SpeechEncoder:
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("whisper")))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path)


def fitted(recipe: Recipe, scheme: Scheme, encoder: SpeechEncoder, store: FeatureStore) -> ProbeClassifier:
    return ProbeClassifier.fit(recipe, scheme, encoder, store, labelled(scheme), (), Probe(c=0.1))


@every_scheme
def test_it_hears_what_it_was_taught_on_tones_it_never_heard(scheme, encoder, store):
    probe, test = fitted(Recipe(layer=1, pooling="mean_std"), scheme, encoder, store), labelled(scheme, 100, 30)
    found = probe.predict(test.clips)
    assert found.probabilities.shape == (30, len(scheme.classes))
    assert found.dimensions.shape == (30, len(scheme.dimensions))
    truth = np.array([pitch(i) for i in range(100, 130)])
    if scheme.classes:
        assert uar((truth > 550).astype(np.int64), found.probabilities.argmax(axis=1), 2) > 0.8
        np.testing.assert_array_equal(found.probabilities[:, 2], 0)
    if scheme.dimensions:
        assert ccc(truth, found.dimensions[:, 0]) > 0.7
        assert ((found.dimensions >= 100) & (found.dimensions <= 1000)).all()


@every_scheme
@pytest.mark.parametrize("normalise", [False, True])
def test_its_arrays_give_it_back(scheme, normalise, encoder, store):
    recipe = Recipe(layer=1, normalise_speakers=normalise, normalise_sentences=normalise)
    probe = fitted(recipe, scheme, encoder, store)
    arrays = probe.arrays()
    back = ProbeClassifier.from_arrays(scheme, recipe, encoder, store, arrays, probe.speakers, probe.sentences)
    clips = labelled(scheme, 100, 12).clips
    np.testing.assert_array_equal(back.predict(clips).probabilities, probe.predict(clips).probabilities)
    np.testing.assert_array_equal(back.predict(clips).dimensions, probe.predict(clips).dimensions)
    fitted_arrays = [arrays[name] for name in arrays if name.endswith(("weights", "bias"))]
    assert probe.n_trainable == back.n_trainable == sum(array.size for array in fitted_arrays)


def test_dimensions_beside_them_do_not_change_the_probabilities(encoder, store):
    both, recipe = labelled(SCHEMES["both"]), Recipe(layer=1)
    alone = LabelledClips(both.clips[1:], both.targets[1:])
    together = LabelledClips(both.clips[1:], both.targets[1:], both.dimensions[1:])
    of_classes = ProbeClassifier.fit(recipe, SCHEMES["classes"], encoder, store, alone, (), Probe(c=0.1))
    of_both = ProbeClassifier.fit(recipe, SCHEMES["both"], encoder, store, together, (), Probe(c=0.1))
    np.testing.assert_array_equal(
        of_both.predict(both.clips).probabilities, of_classes.predict(both.clips).probabilities
    )


@every_scheme
def test_two_states_that_say_the_same_predict_as_one_alone(scheme, encoder, store):
    """Two copies of a state double the kernel: `fit_ridge` scales its penalty by itself, `fit_logistic` does not."""
    train, test = labelled(scheme), labelled(scheme, 100, 30).clips
    rows = embeddings(Recipe(layer=1), encoder, store, [*train.clips, *test])
    twice = {clip.key: np.tile(row, 2)[None] for clip, row in zip([*train.clips, *test], rows, strict=True)}
    recipe = Recipe(method=Probe(layers=(1, 2)))
    store.append(encoder.digest, feature_spec(recipe, encoder), twice)  # as if both states were the same
    alone, both = (
        ProbeClassifier.fit(one, scheme, encoder, store, train, (), Probe(c=0.1)).predict(test)
        for one in (Recipe(layer=1), recipe)
    )
    np.testing.assert_allclose(both.probabilities, alone.probabilities, atol=1e-3)
    np.testing.assert_allclose(both.dimensions, alone.dimensions, rtol=1e-4)


def test_late_fusion_says_the_normalised_geometric_mean_of_what_each_state_says(encoder, store):
    scheme = SCHEMES["classes"]
    train, test = labelled(scheme), labelled(scheme, 100, 30).clips
    late = Probe(layers=(0, 1, 2), fusion="late")
    fused = ProbeClassifier.fit(Recipe(method=late), scheme, encoder, store, train, (), late).predict(test)
    alone = [
        ProbeClassifier.fit(Recipe(layer=i), scheme, encoder, store, train, (), Probe()).predict(test) for i in range(3)
    ]
    product = np.prod([one.probabilities for one in alone], axis=0) ** (1 / 3)
    np.testing.assert_allclose(fused.probabilities, product / product.sum(axis=1, keepdims=True), atol=1e-4)
    joint = fitted(Recipe(method=Probe(layers=(0, 1, 2))), scheme, encoder, store).predict(test)
    assert np.abs(fused.probabilities - joint.probabilities).max() > 0.001


def test_late_fusion_of_one_state_is_that_state_and_keeps_unseen_classes_impossible(encoder, store):
    scheme = SCHEMES["classes"]
    train, test = labelled(scheme), labelled(scheme, 100, 30).clips

    def said(method: Probe) -> np.ndarray:
        recipe = Recipe(method=method)
        return ProbeClassifier.fit(recipe, scheme, encoder, store, train, (), method).predict(test).probabilities

    np.testing.assert_array_equal(said(Probe(layers=(1,), fusion="late")), said(Probe(layers=(1,))))
    assert (said(Probe(layers=(0, 1, 2), fusion="late"))[:, scheme.classes.index("unheard")] == 0).all()


@every_scheme
def test_no_clips_have_no_rows(scheme, encoder, store):
    found = fitted(Recipe(layer=1), scheme, encoder, store).predict(())
    assert found.probabilities.shape == (0, len(scheme.classes))
    assert found.dimensions.shape == (0, len(scheme.dimensions))


def test_dimensions_it_cannot_learn_are_refused_before_anything_is_embedded(encoder, store):
    train = labelled(SCHEMES["dimensions"])
    constant = LabelledClips(train.clips, train.targets, np.full_like(train.dimensions, 300))
    with pytest.raises(TargetError, match="every training value of height is 300"):
        ProbeClassifier.fit(Recipe(layer=1), SCHEMES["dimensions"], encoder, store, constant, (), Probe(c=0.1))


def test_embeddings_come_from_the_store_in_the_clips_order(encoder, store):
    clips, recipe = labelled(SCHEMES["classes"]).clips[:5], Recipe(layer=1)
    rows = embeddings(recipe, encoder, store, clips)
    np.testing.assert_array_equal(embeddings(recipe, encoder, store, clips[::-1]), rows[::-1])
