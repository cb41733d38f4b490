"""The loop: dimensions, heads that do not start as a probe, a loss that runs away."""

import numpy as np
import pytest

from al_core.classifier import Predictions
from al_core.evaluation.metrics import ccc
from al_core.features import FeatureStore
from al_core.peft.specs import LastK, Lora, Probe
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips
from al_core.train import DivergedError, StepReport, TrainError, fine_tune
from al_core.training import divergence

METHODS = (Probe(), LastK(k=2), Lora(rank=4))


@pytest.fixture
def run(without_dropout, store: FeatureStore):
    def made(recipe: Recipe, scheme: Scheme, train: LabelledClips, dev: LabelledClips | None = None):
        return list(fine_tune(recipe, scheme, without_dropout("whisper"), store, train, dev))

    return made


def predicted(last: StepReport, labelled: LabelledClips) -> Predictions:
    assert last.classifier is not None
    return last.classifier.predict(labelled.clips)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_dimensions_alone_are_learned_on_their_own_scales(method, run, voices, schemes):
    scheme = schemes["dimensions"]
    train, dev = voices(0, 30, scheme), voices(60, 12, scheme)
    last = run(Recipe(method=method, epochs=4, minibatch=10), scheme, train, dev)[-1]
    found = predicted(last, dev)
    assert found.probabilities.shape == (12, 0)
    assert (found.dimensions >= [1, -1]).all()
    assert (found.dimensions <= [7, 1]).all()
    assert dev.dimensions is not None
    arousal = ccc(dev.dimensions[:, 0], found.dimensions[:, 0])
    known = np.isfinite(dev.dimensions[:, 1])
    valence = ccc(dev.dimensions[known, 1], found.dimensions[known, 1])  # no voice has any: noise
    assert arousal > 0.4
    assert last.dev_ccc == pytest.approx((arousal + valence) / 2)
    assert last.dev_uar is None


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_classes_and_dimensions_are_learned_together_and_a_clip_may_lack_its_class(method, run, voices, schemes):
    scheme = schemes["both"]
    whole, dev = voices(0, 30, scheme), voices(60, 12, scheme)
    targets = whole.targets.copy()
    targets[::4] = 0
    train = LabelledClips(whole.clips, targets, whole.dimensions)
    told = run(Recipe(method=method, epochs=3, minibatch=10), scheme, train, dev)
    found = predicted(told[-1], dev)
    np.testing.assert_array_equal(found.probabilities.argmax(axis=1), dev.targets.argmax(axis=1))
    assert told[-1].dev_uar == 1.0
    assert told[-1].dev_ccc is not None
    if not isinstance(method, Probe):
        ends = [r for r in told if r.stage == "train" and r.dev_uar is not None]
        best = max([0.5 * (r.dev_uar + r.dev_ccc) for r in ends])
        assert 0.5 * (told[-1].dev_uar + told[-1].dev_ccc) >= best


@pytest.mark.parametrize("choice", [{"head": "conv"}, {"pooling": "attentive"}, {"loss": "focal"}], ids=str)
def test_every_head_pooling_and_loss_learns_the_voices(choice, run, voices, schemes):
    recipe = Recipe(method=LastK(k=1), epochs=12, minibatch=8, learning_rate=3e-3, **choice)
    told = run(recipe, schemes["classes"], voices(0, 24), voices(60, 8))
    assert told[-1].dev_uar >= 0.75
    losses = [r.loss for r in told if r.stage == "train"]
    assert losses[-1] < losses[0] + 1e-6


def test_a_loss_that_runs_away_stops_by_name_and_the_error_is_the_report_of_the_last_good_epoch(
    run, voices, schemes, monkeypatch
):
    monkeypatch.setattr(divergence, "PATIENCE", 3)
    recipe = Recipe(method=LastK(k=2), epochs=9, minibatch=8, learning_rate=30.0)
    with pytest.raises(
        DivergedError, match=r"above 20 times its start .* for 3 steps in epoch .* \(now 30\.0\)"
    ) as caught:
        run(recipe, schemes["classes"], voices(0, 24), voices(60, 8))
    last = caught.value.last
    assert (last.stage, last.epoch, last.dev_uar) == ("done", 0, 1.0)
    assert caught.value.classifier is last.classifier
    assert isinstance(last.classifier, TunedClassifier)
    np.testing.assert_array_equal(predicted(last, voices(60, 8)).probabilities.argmax(axis=1), [0, 1] * 4)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_dimensions_that_cannot_be_learned_are_refused_before_anything_runs(method, run, voices, schemes, store):
    scheme = schemes["both"]
    whole = voices(0, 8, scheme)
    constant = np.full((8, 2), 1.0, dtype=np.float32)
    unknown = np.array([[1 + i / 8, np.nan] for i in range(8)], dtype=np.float32)
    for dimensions, labels, sentence in (
        (constant, scheme, "every training value of arousal is 1"),
        (unknown, scheme, "no training clip has a value of valence"),
        (None, scheme, "the training clips have no dimensions"),
        (constant, Scheme(scheme.classes), "the scheme no ranges"),
    ):
        with pytest.raises(TrainError, match=sentence):
            run(Recipe(method=method), labels, LabelledClips(whole.clips, whole.targets, dimensions))
    assert not store.root.exists()


def test_a_scheme_with_classes_needs_one_clip_that_has_one(run, voices, schemes):
    whole = voices(0, 8, schemes["both"])
    classless = LabelledClips(whole.clips, np.zeros_like(whole.targets), np.nan_to_num(whole.dimensions))
    with pytest.raises(TrainError, match="no training clip has a class"):
        run(Recipe(), schemes["both"], classless)
