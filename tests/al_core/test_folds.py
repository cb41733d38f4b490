"""Folds of a labelled corpus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.random import default_rng

from al_core.corpora.corpus import Corpus, CorpusClip, CorpusError
from al_core.folds import LabelledCorpus, load_labelled, manifest_fold, random_fold
from al_core.leaks import LeakError
from al_core.scheme import Dimension, Scheme

LABELS = ("anger", "neutral", "sadness")


@pytest.fixture
def corpus(tmp_path: Path, write_wav) -> Corpus:
    """Four speakers, each with a clip of every class; the last speaker is the test split."""
    clips = []
    for speaker in range(4):
        for k, label in enumerate(LABELS):
            path = write_wav(tmp_path / f"{speaker}-{label}.wav", seed=10 * speaker + k)
            split = "test" if speaker == 3 else "train"
            clips.append(CorpusClip(path, path.name, f"speaker {speaker}", label, split))
    return Corpus("four", tmp_path, tuple(clips))


def speakers(corpus: LabelledCorpus, positions: tuple[int, ...]) -> set[str | None]:
    return {corpus.clips[i].speaker for i in positions}


def test_every_labelled_clip_is_loaded_under_a_scheme_in_order_of_name(corpus: Corpus) -> None:
    loaded = load_labelled(corpus)
    assert loaded.scheme.classes == LABELS
    assert len(loaded.clips) == len({clip.key for clip in loaded.clips}) == 12
    assert loaded.clips[0].duration_s == pytest.approx(0.5)
    assert loaded.clips[0].load().shape == (8_000,)


def test_bytes_that_are_there_twice_count_once(corpus: Corpus) -> None:
    copy = corpus.root / "copy.wav"
    copy.write_bytes(corpus.clips[0].path.read_bytes())
    again = CorpusClip(copy, copy.name, "speaker 0", "anger", "train")
    assert len(load_labelled(Corpus("five", corpus.root, (*corpus.clips, again))).clips) == 12


def test_windows_of_one_file_are_clips_of_their_own(corpus: Corpus) -> None:
    path = corpus.clips[0].path
    windows = [
        CorpusClip(path, f"w{i}", "s", LABELS[i], "train", start_s=0.25 * i, end_s=0.25 * i + 0.25) for i in (0, 1)
    ]
    loaded = load_labelled(Corpus("windows", corpus.root, tuple(windows)))
    assert [clip.key.partition(":")[2] for clip in loaded.clips] == ["0-250", "250-500"]
    assert not np.array_equal(loaded.clips[0].load(), loaded.clips[1].load())


def test_what_cannot_be_decoded_is_named_and_the_rest_is_kept(corpus: Corpus) -> None:
    broken = corpus.root / "broken.wav"
    broken.write_bytes(b"no audio at all")
    with_it = Corpus("broken", corpus.root, (*corpus.clips, CorpusClip(broken, "broken.wav", "s", "anger")))
    loaded = load_labelled(with_it)
    assert len(loaded.clips) == 12
    assert len(loaded.refused) == 1
    assert loaded.refused[0].startswith("broken.wav:")


def test_a_corpus_of_one_class_is_refused(corpus: Corpus) -> None:
    angry = tuple(clip for clip in corpus.clips if clip.label == "anger")
    with pytest.raises(CorpusError, match="1 classes"):
        load_labelled(Corpus("angry", corpus.root, angry))


def test_a_random_fold_holds_out_speakers_whole(corpus: Corpus) -> None:
    loaded = load_labelled(corpus)
    drawn = set()
    for seed in range(8):
        fold = random_fold(loaded, 1, 1, default_rng(seed))
        pool, dev, test = (speakers(loaded, part) for part in (fold.pool, fold.dev, fold.test))
        assert (len(pool), len(dev), len(test)) == (2, 1, 1)
        assert not (pool & dev or pool & test or dev & test)
        drawn |= test
    assert len(drawn) > 1


def test_the_manifest_s_fold_is_its_splits(corpus: Corpus) -> None:
    loaded = load_labelled(corpus)
    fold = manifest_fold(loaded)
    assert speakers(loaded, fold.test) == {"speaker 3"}
    assert len(fold.pool) == 9
    assert fold.dev == ()


def test_a_split_that_is_not_there_is_refused(corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="no 'dev' split"):
        manifest_fold(load_labelled(corpus), "dev")


def test_a_speaker_in_train_and_test_is_refused_by_name(corpus: Corpus) -> None:
    first, *rest = corpus.clips
    leaking = CorpusClip(first.path, first.external_id, first.speaker, first.label, "test")
    with pytest.raises(LeakError, match="speaker 0"):
        manifest_fold(load_labelled(Corpus("leaking", corpus.root, (leaking, *rest))))


def test_tested_on_dev_the_test_speakers_are_not_touched(corpus: Corpus) -> None:
    clips = tuple(replace(clip, split="dev") if clip.speaker == "speaker 2" else clip for clip in corpus.clips)
    loaded = load_labelled(replace(corpus, clips=clips))
    fold = manifest_fold(loaded, "dev")
    assert (speakers(loaded, fold.test), speakers(loaded, fold.dev)) == ({"speaker 2"}, set())
    assert speakers(loaded, fold.pool) == {"speaker 0", "speaker 1"}


def test_speakers_of_one_session_stay_in_one_part(corpus: Corpus) -> None:
    paired = tuple(replace(clip, session=f"session {int((clip.speaker or '')[-1]) // 2}") for clip in corpus.clips)
    loaded = load_labelled(replace(corpus, clips=paired))
    with pytest.raises(LeakError, match="session 1"):
        manifest_fold(loaded)
    fold = random_fold(loaded, n_test=1, n_dev=0, rng=default_rng(0))
    assert speakers(loaded, fold.test) in ({"speaker 0", "speaker 1"}, {"speaker 2", "speaker 3"})


def test_the_same_audio_under_another_label_is_named(corpus: Corpus) -> None:
    copy = corpus.root / "copy.wav"
    copy.write_bytes(corpus.clips[0].path.read_bytes())
    again = CorpusClip(copy, copy.name, "speaker 0", "sadness", "train")
    loaded = load_labelled(replace(corpus, clips=(*corpus.clips, again)))
    assert loaded.refused == (
        f"copy.wav: the same audio as {corpus.clips[0].external_id}, with another label or split",
    )


def test_a_silent_clip_is_named_and_the_rest_is_kept(corpus: Corpus) -> None:
    silent = corpus.root / "silent.wav"
    soundfile.write(silent, np.zeros(8_000), 16_000)
    loaded = load_labelled(replace(corpus, clips=(*corpus.clips, CorpusClip(silent, "silent.wav", "s", "anger"))))
    assert len(loaded.clips) == 12
    assert "silent.wav" in loaded.refused[0]


def with_arousal(corpus: Corpus, values: list[float | None]) -> Corpus:
    said = [{} if value is None else {"arousal": value} for value in values]
    clips = tuple(replace(clip, dimensions=one) for clip, one in zip(corpus.clips, said, strict=True))
    return replace(corpus, clips=clips)


AROUSAL = Dimension("arousal", 1, 5)
VALUES = [1.0, 2.0, 3.0, 4.0, 5.0, 1.5, None, 2.5, 3.5, 4.5, 2.0, 3.0]


def test_a_scheme_of_dimensions_reads_their_values_and_needs_no_class(corpus: Corpus) -> None:
    loaded = load_labelled(with_arousal(corpus, VALUES), scheme=Scheme((), (AROUSAL,)))
    assert loaded.labels == (None,) * 11, "the clip of which nothing is known is left out"
    assert loaded.dimensions is not None
    np.testing.assert_array_equal(loaded.dimensions[:, 0], [value for value in VALUES if value is not None])
    fold = random_fold(loaded, 1, 1, default_rng(0))
    assert speakers(loaded, fold.test).isdisjoint(speakers(loaded, fold.pool) | speakers(loaded, fold.dev))
    pool = loaded.labelled(fold.pool)
    assert pool.targets.shape == (len(fold.pool), 0)
    assert pool.dimensions is not None
    np.testing.assert_array_equal(pool.dimensions, loaded.dimensions[list(fold.pool)])


def test_a_scheme_of_both_keeps_a_clip_of_which_either_is_known(corpus: Corpus) -> None:
    scheme = Scheme(("sadness", "anger"), (AROUSAL,))  # neutral is not one of its classes
    loaded = load_labelled(with_arousal(corpus, VALUES), scheme=scheme)
    assert len(loaded.clips) == 12
    assert [loaded.labels[i] for i in (0, 1, 2)] == ["anger", None, "sadness"]
    labelled = loaded.labelled([0, 1, 2, 6])
    np.testing.assert_array_equal(labelled.targets, [[0, 1], [0, 0], [1, 0], [0, 1]])
    assert labelled.dimensions is not None
    np.testing.assert_array_equal(labelled.dimensions[:, 0], [1, 2, 3, np.nan])


def test_a_value_out_of_its_range_is_named_and_the_rest_is_kept(corpus: Corpus) -> None:
    loaded = load_labelled(with_arousal(corpus, [9.0, *VALUES[1:]]), scheme=Scheme((), (AROUSAL,)))
    assert loaded.refused == (f"{corpus.clips[0].external_id}: arousal is 9: the scheme's range is 1 to 5",)
    assert len(loaded.clips) == 10


def test_a_scheme_that_labels_nothing_of_a_corpus_is_refused(corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="no usable clip that this scheme labels"):
        load_labelled(corpus, scheme=Scheme(("joy", "fear")))


def test_without_a_scheme_dimensions_are_not_read(corpus: Corpus) -> None:
    loaded = load_labelled(with_arousal(corpus, VALUES))
    assert (loaded.scheme.classes, loaded.scheme.dimensions, loaded.dimensions) == (LABELS, (), None)
    assert loaded.labelled([0]).dimensions is None
