"""The training loop: order, reports, early stopping, precision, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, FeatureStore
from al_core.peft.specs import LastK, Lora, Method, Probe
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe, RecipeError
from al_core.scheme import Scheme
from al_core.targets import LabelledClips, one_hot
from al_core.train import DivergedError, StepReport, TrainError, fine_tune

SCHEME = Scheme(("low", "high", "unheard"))


def tone(i: int) -> np.ndarray:
    """Even i: a low voice, odd i: a high one; 0.4 to 0.7 s."""
    rng = np.random.default_rng(i)
    t = np.arange(6_400 + 1_600 * (i % 4)) / 16_000
    pitch = (120 if i % 2 == 0 else 900) * (1 + 0.05 * rng.standard_normal())
    return (0.3 * np.sin(2 * np.pi * pitch * t) + 0.02 * rng.standard_normal(len(t))).astype(np.float32)


def labelled(first: int, n: int) -> LabelledClips:
    clips = tuple(
        Clip(f"clip-{i}", len(tone(i)) / 16_000, f"speaker-{i % 3}", lambda i=i: tone(i))
        for i in range(first, first + n)
    )
    return LabelledClips(clips, one_hot([SCHEME.classes[i % 2] for i in range(first, first + n)], SCHEME))


TRAIN = labelled(0, 10)
DEV = labelled(20, 6)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SpeechEncoder:
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("whisper")))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path)


def reports(recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, dev=None, train=TRAIN) -> list[StepReport]:
    return list(fine_tune(recipe, SCHEME, encoder, store, train, dev))


@pytest.mark.parametrize("method", [Probe(), LastK(k=1), Lora(rank=2)], ids=lambda m: m.kind)
def test_only_the_last_report_carries_the_classifier_and_steps_count_up(method, encoder, store):
    told = reports(Recipe(method=method, epochs=2, minibatch=4), encoder, store, DEV)
    assert [r.classifier is not None for r in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].stage == "done"
    assert told[-1].dev_uar is not None
    if not isinstance(method, Probe):
        trained = [r for r in told if r.stage == "train"]
        assert [r.step for r in trained] == [1, 2, 3, 4, 5, 6]
        assert {r.steps for r in trained} == {6}
        assert [r.dev_uar is not None for r in trained] == [False, False, True] * 2


@pytest.mark.parametrize("method", [Probe(), LastK(k=2), Lora()], ids=lambda m: m.kind)
def test_low_and_high_voices_are_told_apart_and_an_unheard_class_has_probability_0(method, encoder, store):
    classifier = reports(Recipe(method=method, epochs=3), encoder, store, train=labelled(40, 30))[-1].classifier
    assert classifier is not None
    probabilities = classifier.predict(DEV.clips).probabilities
    np.testing.assert_array_equal(probabilities.argmax(axis=1), DEV.targets.argmax(axis=1))
    np.testing.assert_array_equal(probabilities[:, 2], 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("method", [Probe(), LastK(k=2), Lora(dropout=0.1)], ids=lambda m: m.kind)
def test_the_same_arguments_give_the_same_classifier_and_torch_s_generator_back(method, encoder, store):
    recipe = Recipe(method=method, epochs=2, minibatch=4, seed=3)
    predicted = []
    for other_draws in (0, 5):
        torch.rand(other_draws)
        state = torch.get_rng_state()
        classifier = reports(recipe, encoder, store)[-1].classifier
        assert torch.equal(torch.get_rng_state(), state)
        assert classifier is not None
        predicted.append(classifier.predict(DEV.clips).probabilities)
    np.testing.assert_array_equal(predicted[0], predicted[1])


def test_training_lowers_the_loss_of_the_training_clips(encoder, store):
    recipe = Recipe(method=LastK(k=2), epochs=15, learning_rate=1e-3)
    train = LabelledClips(TRAIN.clips, TRAIN.targets[[0, 0, 1, 1, 0, 1, 1, 0, 0, 1]])  # the probe alone stays at 0.6
    losses = [r.loss for r in reports(recipe, encoder, store, train=train) if r.stage == "train"]
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < 0.8 * losses[0]


def test_it_stops_after_patience_epochs_without_a_better_dev_and_keeps_the_best(encoder, store):
    recipe = Recipe(method=LastK(k=1), epochs=30, patience=2, minibatch=16)
    told = reports(recipe, encoder, store, DEV)
    # The head starts from the probe, which is right on every dev clip: nothing can be better than the start.
    assert max(r.epoch for r in told if r.stage == "train") == 2
    assert told[-1].epoch == 0
    assert told[-1].dev_uar == 1.0
    classifier = told[-1].classifier
    assert isinstance(classifier, TunedClassifier)
    for name, weight in classifier.network.encoder.named_parameters():
        assert torch.equal(weight, encoder.get_parameter(name)), "the kept weights are those of the start"


def test_without_dev_every_epoch_is_trained_and_the_last_is_kept(encoder, store):
    told = reports(Recipe(method=LastK(k=1), epochs=3, patience=1), encoder, store)
    assert [r.epoch for r in told if r.stage == "train"] == [1, 2, 3]
    assert (told[-1].epoch, told[-1].dev_uar) == (3, None)


@pytest.mark.parametrize("method", [LastK(k=2), Lora()], ids=lambda m: m.kind)
def test_a_loss_that_is_not_a_number_stops_by_name_and_keeps_the_last_good_weights(method: Method, encoder, store):
    with pytest.raises(DivergedError, match=r"recipe\.learning_rate \(now 1e\+30\)") as caught:
        reports(Recipe(method=method, epochs=4, learning_rate=1e30), encoder, store)
    assert np.isfinite(caught.value.classifier.predict(DEV.clips).probabilities).all()


def test_soft_labels_are_learned_as_distributions(encoder, store):
    targets = np.repeat(np.array([[0.7, 0.3, 0.0]], dtype=np.float32), 10, axis=0)
    recipe = Recipe(method=Probe(c=1e-6), class_weighted=False)
    classifier = reports(recipe, encoder, store, train=LabelledClips(TRAIN.clips, targets))[-1].classifier
    assert classifier is not None
    np.testing.assert_allclose(classifier.predict(DEV.clips).probabilities, targets[: len(DEV)], atol=0.01)


def test_other_clips_of_a_speaker_change_only_the_statistics_of_a_normalising_probe(encoder, store):
    recipe = Recipe(normalise_speakers=True)
    (*_, plain) = fine_tune(recipe, SCHEME, encoder, store, TRAIN, None)
    (*_, informed) = fine_tune(recipe, SCHEME, encoder, store, TRAIN, None, all_clips=labelled(100, 30).clips)
    assert plain.classifier is not None
    assert informed.classifier is not None
    assert plain.classifier.speakers == ()  # type: ignore[union-attr]  # 3 or 4 clips a speaker
    assert informed.classifier.speakers == ("speaker-0", "speaker-1", "speaker-2")  # type: ignore[union-attr]  # a probe


def test_bf16_trains_on_a_cpu_and_fp16_is_refused_by_name(encoder, store):
    last = reports(Recipe(method=LastK(k=1), epochs=1, precision="bf16"), encoder, store)[-1]
    assert last.loss is not None
    assert np.isfinite(last.loss)
    with pytest.raises(RecipeError, match=r'recipe\.precision is "fp16"'):
        reports(Recipe(method=LastK(k=1), precision="fp16"), encoder, store)


@pytest.mark.parametrize(
    ("train", "dev", "sentence"),
    [
        (LabelledClips((), np.zeros((0, 3), dtype=np.float32)), None, "no labelled clip"),
        (LabelledClips(TRAIN.clips[:2], one_hot(["high", "high"], SCHEME)), None, "every training label is 'high'"),
        (LabelledClips(TRAIN.clips, TRAIN.targets[:, :2]), None, "train has 2 columns of targets, the scheme 3"),
        (TRAIN, labelled(9, 3), "clip clip-9 is in train and in dev"),
    ],
    ids=["nothing", "one class", "another scheme", "overlap"],
)
def test_training_that_cannot_begin_is_refused_by_name(train, dev, sentence, encoder, store):
    with pytest.raises(TrainError, match=sentence):
        reports(Recipe(), encoder, store, dev, train)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (Recipe(layer=9), "hidden states 0 to 3"),
        (Recipe(method=LastK(k=4)), r"recipe\.method\.k is 4"),
        (Recipe(method=Lora(), layer=0), r"recipe\.layer is 0"),
    ],
)
def test_a_recipe_that_does_not_fit_the_encoder_is_refused_by_name(recipe, sentence, encoder, store):
    with pytest.raises(RecipeError, match=sentence):
        reports(recipe, encoder, store)
