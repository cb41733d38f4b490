"""Dropout passes of real classifiers on tones: the probe, a fine-tuned network, both kinds of targets."""

from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from al_core.classifier import Classifier
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, FeatureStore
from al_core.loop import acquire, pool_view
from al_core.peft.specs import LastK, Probe
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.strategies.passes import dropout_passes, heard
from al_core.strategies.specs import Bald, Constrained, DropoutVariance, GreedyY, Margin, Passes, Strategy
from al_core.targets import LabelledClips, one_hot, to_unit
from al_core.train import fine_tune

CLASSES = ("high", "low")
DIMENSIONS = (Dimension("pitch", 100.0, 2000.0),)
BOTH = Scheme(CLASSES, DIMENSIONS)
METHODS = pytest.mark.parametrize("method", [Probe(), LastK(k=1)], ids=lambda method: method.kind)


def tone(i: int) -> np.ndarray:
    rng = default_rng(i)
    t = np.arange(4_800) / 16_000
    pitch = (300 if i % 2 else 1500) * (1 + 0.1 * rng.standard_normal())
    return (0.3 * np.sin(2 * np.pi * pitch * t) + 0.1 * rng.standard_normal(len(t))).astype(np.float32)


def tones(first: int, n: int) -> tuple[Clip, ...]:
    return tuple(Clip(f"tone-{i}", 0.3, f"speaker-{i % 4}", lambda i=i: tone(i)) for i in range(first, first + n))


def labelled(scheme: Scheme, first: int, n: int) -> LabelledClips:
    clips = tones(first, n)
    numbers = range(first, first + n)
    targets = one_hot([CLASSES[i % 2] for i in numbers], scheme) if scheme.classes else np.zeros((n, 0), np.float32)
    values = np.array([[300.0 if i % 2 else 1500.0] for i in numbers], dtype=np.float32)
    return LabelledClips(clips, targets, values if scheme.dimensions else None)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SpeechEncoder:
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("whisper")))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path)


def learned(method: Probe | LastK, scheme: Scheme, encoder: SpeechEncoder, store: FeatureStore) -> Classifier:
    recipe = Recipe(layer=1, method=method, epochs=1)
    *_, last = fine_tune(recipe, scheme, encoder, store, labelled(scheme, 0, 20), labelled(scheme, 100, 8), ())
    assert last.classifier is not None
    return last.classifier


@METHODS
@pytest.mark.parametrize("scheme", [BOTH, Scheme(CLASSES), Scheme((), DIMENSIONS)], ids=["both", "classes", "pitch"])
def test_almost_no_dropout_is_the_prediction_itself(method, scheme: Scheme, encoder, store) -> None:
    classifier, clips = learned(method, scheme, encoder, store), tones(200, 9)
    predicted = classifier.predict(clips)
    passed = dropout_passes(classifier, clips, Passes(3, 1e-9), default_rng(0))
    assert passed.samples.shape == (9, 3, len(scheme.classes))
    assert passed.dimensions.shape == (9, 3, len(scheme.dimensions))
    for s in range(3):
        np.testing.assert_allclose(passed.samples[:, s], predicted.probabilities, atol=1e-4)
        if scheme.dimensions:
            unit = to_unit(predicted.dimensions, scheme)
            np.testing.assert_allclose(passed.dimensions[:, s].clip(0, 1), unit, atol=1e-4)


@METHODS
def test_passes_differ_from_each_other_and_repeat_with_the_seed(method, encoder, store) -> None:
    classifier, clips = learned(method, BOTH, encoder, store), tones(200, 9)
    first, again = (dropout_passes(classifier, clips, Passes(5, 0.5), default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.samples.std(axis=1).max() > 1e-3
    np.testing.assert_allclose(first.samples.sum(axis=2), 1, rtol=1e-5)


def test_a_pass_is_the_probe_fitted_weights_without_some_columns(encoder, store) -> None:
    """Clips asked for alone get what they get in company: a pass drops the same columns of all."""
    classifier, clips = learned(Probe(), BOTH, encoder, store), tones(200, 9)
    together = dropout_passes(classifier, clips, Passes(4, 0.5), default_rng(0))
    alone = dropout_passes(classifier, clips[4:5], Passes(4, 0.5), default_rng(0))
    np.testing.assert_allclose(alone.samples[0], together.samples[4], atol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "has_passes"),
    [(Margin(), False), (Constrained(Bald(passes=4)), True), (DropoutVariance(passes=4), True), (GreedyY(), False)],
    ids=str,
)
def test_a_pool_gets_what_its_strategy_reads_and_no_more(strategy: Strategy, has_passes, encoder, store) -> None:
    classifier, clips = learned(Probe(), BOTH, encoder, store), tones(200, 9)
    predicted = classifier.predict(clips)
    plain = pool_view(
        default_rng(0).normal(size=(9, 4)).astype(np.float32), predicted.probabilities,
        np.zeros((2, 4), np.float32), np.arange(2), 2, np.ones(9, np.float32),
    )  # fmt: skip
    pool = heard(plain, strategy, classifier, clips, predicted.dimensions, default_rng(0))
    assert (pool.samples is not None) == has_passes
    assert (pool.dimension_samples is not None) == isinstance(strategy, DropoutVariance)
    assert (pool.dimensions is not None) == strategy.needs_dimensions
    if not strategy.needs_dimensions:
        assert len(acquire(strategy, pool, 4, default_rng(0)).positions) == 4
