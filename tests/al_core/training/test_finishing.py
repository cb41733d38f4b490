"""A semi-supervised finish: trained without and with, compared on dev or over speakers, and the better one kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from al_core.encoders import SpeechEncoder
from al_core.encoders.tiny import TinyFamily
from al_core.features import Clip, FeatureStore
from al_core.peft.specs import LastK, Probe
from al_core.recipe import Recipe
from al_core.resumable_state import drop_states
from al_core.scheme import Dimension, Scheme
from al_core.semi_supervised.specs import LabelSpreading, PseudoLabels
from al_core.targets import LabelledClips
from al_core.train import StepReport, TrainError, fine_tune
from al_core.training.run import Run
from al_core.training.speaker_folds import speaker_folds

CLASSES = Scheme(("low", "high", "unheard"))
BOTH = Scheme(("low", "high"), (Dimension("arousal", 1, 7), Dimension("valence", -1, 1)))
Voices = Callable[..., LabelledClips]
PSEUDO = PseudoLabels(iterations=2)
NETWORK = Recipe(method=LastK(k=1), epochs=1, minibatch=4, finish=PseudoLabels(iterations=1))


@pytest.fixture(scope="module")
def encoder(without_dropout: Callable[[TinyFamily], SpeechEncoder]) -> SpeechEncoder:
    return without_dropout("whisper")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("features"))


def spoken_by(labelled: LabelledClips, speaker: str | None) -> LabelledClips:
    return replace(labelled, clips=tuple(replace(clip, speaker=speaker) for clip in labelled.clips))


def last_of(*given: object, **named: object) -> StepReport:
    *_, last = fine_tune(*given, **named)
    assert last.stage == "done" and last.classifier is not None
    return last


@pytest.mark.parametrize("finish", [PSEUDO, LabelSpreading(neighbours=3)], ids=lambda finish: finish.kind)
def test_on_dev_the_better_of_two_is_kept_and_both_are_there(finish, encoder, store, voices: Voices) -> None:
    train, dev, pool = voices(0, 9), spoken_by(voices(100, 12), "dev"), voices(9, 15).clips
    last = last_of(Recipe(layer=1, finish=finish), CLASSES, encoder, store, train, dev, (*train.clips, *pool))
    assert last.finished is not None and last.finished.with_finish is not None
    found = last.finished.comparison
    assert found.measured_on == "dev" and 0 < found.n_believed <= 15
    assert last.dev_uar == max(found.uar_with, found.uar_without)
    other = {"with": last.finished.without, "without": last.finished.with_finish}[found.kept]
    assert last.finished.other is other is not last.classifier
    assert (last.note, last.warning) == (found.sentence, None)
    assert last.finished.without.recipe.finish is None and last.finished.with_finish.recipe.finish == finish
    alone = last_of(Recipe(layer=1), CLASSES, encoder, store, train, dev, pool)
    np.testing.assert_array_equal(
        last.finished.without.predict(dev.clips).probabilities, alone.classifier.predict(dev.clips).probabilities
    )
    assert alone.finished is None


def test_without_dev_speakers_decide_and_their_unlabelled_clips_are_held_out_too(
    encoder, store, voices: Voices
) -> None:
    train, pool = voices(0, 12), voices(12, 12).clips
    last = last_of(Recipe(layer=1, finish=PSEUDO), CLASSES, encoder, store, train, None, pool)
    assert last.finished is not None and last.finished.comparison.measured_on == "speakers"
    nobody = replace(pool[0], key="nobody's", speaker=None)
    folds = speaker_folds(Run(Recipe(), CLASSES, encoder, store, train, None, (*pool, nobody)))
    assert sorted({clip.speaker for clip in test.clips}.pop() for _, test in folds) == [
        f"speaker-{i}" for i in range(3)
    ]
    for inner, test in folds:
        held = {clip.speaker for clip in test.clips}
        assert inner.dev is None and len(test) == 4 and len(inner.all_clips) == 8
        assert held.isdisjoint({clip.speaker for clip in (*inner.train.clips, *inner.all_clips)})


def test_where_nobody_is_known_clips_are_held_out_instead(encoder, store, voices: Voices) -> None:
    train, pool = spoken_by(voices(0, 12), None), spoken_by(voices(12, 12), None).clips
    last = last_of(Recipe(layer=1, finish=PSEUDO), CLASSES, encoder, store, train, None, pool)
    assert last.finished is not None and last.finished.comparison.measured_on == "clips"
    assert "over the labelled clips" in (last.note or "") and last.warning is None


def test_where_nothing_can_be_compared_the_labels_alone_decide_and_it_is_told(encoder, store, voices: Voices) -> None:
    recipe, alone = Recipe(layer=1, finish=PSEUDO), spoken_by(voices(0, 9), "one")
    one = last_of(recipe, CLASSES, encoder, store, alone, None, spoken_by(voices(9, 6), "one").clips)
    assert one.finished is not None and one.finished.comparison.kept == "without"
    assert "fewer than two known speakers" in (one.warning or "") and one.note is None
    none = last_of(recipe, CLASSES, encoder, store, voices(0, 9), None, voices(0, 9).clips)
    assert none.finished is not None and none.finished.other is None
    assert "no unlabelled clip is left" in (none.note or "") and none.warning is None


def test_dev_speakers_in_the_pool_are_refused(encoder, store, voices: Voices) -> None:
    with pytest.raises(TrainError, match=r"recipe\.finish would learn from dev: 3 speaker\(s\)"):
        last_of(Recipe(layer=1, finish=PSEUDO), CLASSES, encoder, store, voices(0, 9), voices(100, 6), ())


def test_a_network_learns_from_believed_clips_too_dimensions_or_not_and_resumes(
    encoder, store, voices: Voices, tmp_path: Path
) -> None:
    train, dev = voices(0, 8, BOTH), spoken_by(voices(100, 6, BOTH), "dev")
    pool: tuple[Clip, ...] = voices(8, 8, BOTH).clips
    given = (NETWORK, BOTH, encoder, store, train, dev, pool)
    whole = last_of(*given)
    assert whole.finished is not None and whole.finished.with_finish is not None
    reports = fine_tune(*given, state=tmp_path)
    for report in reports:
        if report.stage == "train" and report.steps == 4:  # of 16 clips: the labelled ones alone make two
            break
    reports.close()
    again = last_of(*given, state=tmp_path)
    assert again.finished is not None and again.finished.with_finish is not None
    for one, other in (
        (whole.finished.without, again.finished.without),
        (whole.finished.with_finish, again.finished.with_finish),
    ):
        np.testing.assert_array_equal(one.predict(dev.clips).probabilities, other.predict(dev.clips).probabilities)
    drop_states(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_weight_is_so_many_clips(encoder, store, voices: Voices) -> None:
    """Twice the weight of every clip is twice C: the loss is linear in the weights, the penalty is not weighed."""
    train = voices(0, 12)
    heavier = replace(train, weights=np.full(12, 2, np.float32))
    from al_core.peft.probe import ProbeClassifier

    weighed = ProbeClassifier.fit(Recipe(layer=1), CLASSES, encoder, store, heavier, (), Probe(c=0.1))
    wider = ProbeClassifier.fit(Recipe(layer=1), CLASSES, encoder, store, train, (), Probe(c=0.2))
    clips = voices(50, 6).clips
    np.testing.assert_allclose(weighed.predict(clips).probabilities, wider.predict(clips).probabilities, atol=1e-3)
