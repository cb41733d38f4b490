"""Encoders compared on labelled speech: what is tested on, by whom, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from al_core.audio import Waveform
from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, FeatureStore
from al_core.folds import load_labelled
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips, one_hot
from al_core.train import fine_tune
from tapt.evaluate import EvaluationPlan, EvaluationResult, compare, result_to_dict
from tapt.evaluate_folds import LabelledSpeech, TaptEvaluationError, TaptHeardError, draw_folds, share_of

SCHEME = Scheme(("high", "low"))
PLAN = EvaluationPlan(Recipe(), layers=(1,), fractions=(0.5, 1.0), seeds=3)


def _tone(seed: int, hz: float) -> Waveform:
    rng = np.random.default_rng(seed)
    t = np.arange(6_400) / 16_000
    return (0.2 * np.sin(2 * np.pi * hz * t) + 0.05 * rng.standard_normal(len(t))).astype(np.float32)


def _speech(speakers: int = 8, clips_each: int = 4, **given: object) -> LabelledSpeech:
    """Clips of two pitches, half of each speaker's high."""
    n = speakers * clips_each
    names = ["high" if i % 2 else "low" for i in range(n)]
    clips = tuple(
        Clip(f"{i:03d}", 0.4, f"s{i // clips_each}", partial(_tone, i, 900.0 if names[i] == "high" else 150.0))
        for i in range(n)
    )
    speech = LabelledSpeech(
        SCHEME, LabelledClips(clips, one_hot(names, SCHEME)), tuple(clip.speaker for clip in clips), (None,) * n
    )
    return replace(speech, **given)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> tuple[SpeechEncoder, SpeechEncoder]:
    root = tmp_path_factory.mktemp("encoders")
    first, second = (build_tiny("whisper", root / str(seed), seed=seed, width=16, n_layers=2) for seed in (0, 1))
    return open_encoder(first), open_encoder(second)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


Run = Callable[..., EvaluationResult]


@pytest.fixture
def run(encoders: tuple[SpeechEncoder, SpeechEncoder], store: FeatureStore) -> Run:
    def compared(speech: LabelledSpeech, plan: EvaluationPlan = PLAN, heard: frozenset[str] = frozenset()) -> object:
        *_, last = compare(plan, *encoders, speech, heard, store)
        return last.result

    return compared


def test_every_layer_and_share_has_a_row_of_paired_folds(run: Run, encoders: tuple[SpeechEncoder, ...]) -> None:
    found = run(_speech(), replace(PLAN, layers=(0, 1, -1)))
    assert [(row.layer, row.fraction) for row in found.rows] == [
        (layer, share) for layer in (0, 1, -1) for share in (0.5, 1.0)
    ]
    for row in found.rows:
        own = [point for point in found.points if (point.layer, point.fraction) == (row.layer, row.fraction)]
        assert [point.seed for point in own] == [0, 1, 2]
        assert row.paired.gain == pytest.approx(np.mean([point.after - point.before for point in own]))
        assert row.n_labels == (12 if row.fraction == 0.5 else 24)
    plain = result_to_dict(found, *encoders)
    assert plain["before"]["digest"] != plain["after"]["digest"]
    assert (plain["figure"], plain["clips"], plain["speakers"]) == ("UAR", 32, 8)


def _of_one_class_each(low: int, high: int) -> LabelledSpeech:
    """Speakers who show one class only, as in talk shows."""
    speech = _speech(low + high)
    names = ["low" if i < 4 * low else "high" for i in range(4 * (low + high))]
    return replace(speech, known=LabelledClips(speech.known.clips, one_hot(names, SCHEME)))


def test_the_speakers_who_are_not_tested_always_have_two_classes() -> None:
    folds, _ = draw_folds(_of_one_class_each(2, 2), frozenset(), 20)
    assert {len(np.unique(_of_one_class_each(2, 2).classes[fold.pool])) for fold in folds} == {2}


@pytest.mark.parametrize("heard", [0, 8])
def test_speakers_who_leave_a_probe_one_class_are_refused_with_what_to_do(run: Run, heard: int) -> None:
    speech = _of_one_class_each(3, 1)
    with pytest.raises(TaptEvaluationError, match="label"):
        run(speech, heard=frozenset(clip.key for clip in speech.known.clips[:heard]))


def test_a_figure_is_that_of_al_cores_own_probe(
    run: Run, encoders: tuple[SpeechEncoder, SpeechEncoder], store: FeatureStore
) -> None:
    speech = _speech()
    point = run(speech, replace(PLAN, seeds=1, fractions=(1.0,))).points[0]
    (fold,), _ = draw_folds(speech, frozenset(), 1)
    train, test = speech.part(fold.pool), speech.part(fold.test)
    *_, last = fine_tune(Recipe(layer=1), SCHEME, encoders[0], store, train, None, train.clips)
    assert last.classifier is not None
    right = last.classifier.predict(test.clips).probabilities.argmax(1) == test.targets.argmax(1)
    recalls = [right[test.targets[:, k] > 0].mean() for k in range(2)]
    assert point.before == pytest.approx(np.mean(recalls))


def test_an_encoder_compared_with_itself_neither_gains_nor_loses(
    encoders: tuple[SpeechEncoder, SpeechEncoder], store: FeatureStore
) -> None:
    *_, last = compare(PLAN, encoders[0], encoders[0], _speech(), frozenset(), store)
    assert last.result is not None
    assert all(row.paired.gain == 0 for row in last.result.rows)
    assert "layer 1 tells both encoders apart nowhere" in last.result.notes[0]


def test_no_speaker_is_on_both_sides_and_every_class_is_tested() -> None:
    speech = _speech()
    folds, _ = draw_folds(speech, frozenset(), 10)
    for fold in folds:
        assert {speech.groups[i] for i in fold.pool}.isdisjoint({speech.groups[i] for i in fold.test})
        assert set(speech.classes[fold.test]) == {0, 1}
        assert len({speech.groups[i] for i in fold.test}) == 2
    assert len({tuple(fold.test) for fold in folds}) > 3


def test_speakers_that_tapt_heard_are_never_tested_on() -> None:
    speech = _speech()
    heard = frozenset(clip.key for clip in speech.known.clips[:17])  # of the fifth speaker a single clip
    folds, notes = draw_folds(speech, heard, 10)
    assert {speech.groups[i] for fold in folds for i in fold.test} == {"s5", "s6", "s7"}
    assert all(set(range(20)) <= set(fold.pool.tolist()) for fold in folds)
    assert notes == ["TAPT heard 5 of the speakers, without labels: they are never tested on"]


def test_a_single_unheard_speaker_is_the_test_of_folds_that_differ_in_their_training_clips() -> None:
    speech = _speech()
    folds, notes = draw_folds(speech, frozenset(clip.key for clip in speech.known.clips[:28]), 4)
    assert all(fold.test.tolist() == [28, 29, 30, 31] for fold in folds)
    assert [len(fold.pool) for fold in folds] == [22] * 4
    assert len({tuple(fold.pool) for fold in folds}) == 4
    assert "says nothing about other speakers" in notes[-1]


def test_dev_or_test_clips_that_tapt_heard_are_refused_with_their_ids(run: Run) -> None:
    splits = ("train",) * 24 + ("dev",) * 4 + ("test",) * 4
    with pytest.raises(
        TaptHeardError, match=r"2 speaker\(s\) in more than one of tapt, dev, test: s6, s7; .*tapt: 024, 031; dev: 024"
    ):
        run(_speech(splits=splits), heard=frozenset({"000", "024", "031"}))


def test_speech_of_which_tapt_heard_every_speaker_is_refused(run: Run) -> None:
    speech = _speech()
    with pytest.raises(TaptHeardError, match="TAPT heard every speaker of the 32 labelled clips"):
        run(speech, heard=frozenset(clip.key for clip in speech.known.clips))


def test_speakers_who_cannot_be_divided_are_refused_and_unknown_ones_left_out(run: Run) -> None:
    with pytest.raises(TaptEvaluationError, match="leave at least one speaker for train"):
        run(_speech(speakers=1))
    speech = _speech()
    folds, notes = draw_folds(replace(speech, groups=(None,) * 4 + speech.groups[4:]), frozenset(), 2)
    assert all(fold.pool.min() >= 4 and fold.test.min() >= 4 for fold in folds)
    assert notes == ["4 labelled clips have no speaker: they are left out"]


def test_a_class_nobody_labelled_is_refused_by_the_probe(run: Run) -> None:
    scheme = Scheme(("high", "low", "never"))
    speech = _speech()
    wider = LabelledClips(speech.known.clips, np.pad(speech.known.targets, ((0, 0), (0, 1))))
    with pytest.raises(TaptEvaluationError, match="cannot be measured"):
        run(replace(speech, scheme=scheme, known=wider))


def test_smaller_shares_are_part_of_larger_ones_and_hold_every_class() -> None:
    classes = np.array([0] * 30 + [1] * 5)
    pool = np.arange(35)
    tenth, half = (share_of(classes, pool, fraction, seed=3) for fraction in (0.1, 0.5))
    assert set(tenth) <= set(half) and set(classes[tenth]) == {0, 1}
    assert (len(tenth), len(half), len(share_of(classes, pool, 1.0, seed=3))) == (4, 17, 35)


def test_a_scheme_of_dimensions_alone_is_compared_by_ccc(
    encoders: tuple[SpeechEncoder, SpeechEncoder], store: FeatureStore
) -> None:
    speech = _speech()
    values = np.linspace(1, 5, len(speech.known), dtype=np.float32)[:, None]
    known = LabelledClips(speech.known.clips, np.zeros((len(speech.known), 0), dtype=np.float32), values)
    scaled = replace(speech, scheme=Scheme((), (Dimension("arousal", 1, 5),)), known=known)
    *_, last = compare(PLAN, *encoders, scaled, frozenset(), store)
    assert last.result is not None and last.result.figure == "CCC"
    assert all(-1 <= row.paired.before <= 1 for row in last.result.rows)


@pytest.mark.parametrize(
    ("wrong", "named"), [({"layers": ()}, "layer"), ({"fractions": (0.0,)}, "fractions"), ({"seeds": 0}, "seeds is 0")]
)
def test_a_plan_that_measures_nothing_is_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(TaptEvaluationError, match=named):
        replace(PLAN, **wrong)


@pytest.mark.slow
def test_a_trained_encoder_beats_one_of_random_weights_on_real_speech(shared: Path, tmp_path: Path) -> None:
    corpus = load_labelled(read_corpus(shared / "data" / "emodb-2s" / "manifest.csv"))
    speech = LabelledSpeech.of(corpus)
    some = replace(
        speech,
        known=speech.part(np.arange(0, len(speech.known), 3)),
        groups=speech.groups[::3],
        splits=speech.splits[::3],
    )
    trained = open_encoder(shared / "encoders" / "whisper-tiny.en")
    random = open_encoder(build_tiny("whisper", tmp_path / "tiny", width=32, n_layers=3))
    plan = EvaluationPlan(Recipe(), layers=(2,), seeds=5)
    *_, last = compare(plan, random, trained, some, frozenset(), FeatureStore(tmp_path / "features"))
    assert last.result is not None
    found = last.result.rows[0].paired
    assert found.low is not None and found.low > 0 and found.after > 0.6
