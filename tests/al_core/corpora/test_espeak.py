import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from al_core.audio import Waveform, check, decode
from al_core.corpora.corpus import Corpus, CorpusError
from al_core.corpora.espeak import EMOTIONS, speak_corpus
from al_core.corpora.manifest import read_manifest


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read_manifest(speak_corpus(tmp_path_factory.mktemp("espeak"), seed=0))


@pytest.fixture(scope="module")
def waveforms(spoken: Corpus) -> list[Waveform]:
    return [decode(clip.path) for clip in spoken.clips]


def digest(folder: Path) -> str:
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())).hexdigest()


def test_the_corpus_is_480_usable_clips_of_one_to_two_and_a_half_seconds(
    spoken: Corpus, waveforms: list[Waveform]
) -> None:
    assert len(spoken.clips) == 480 and not spoken.refused
    for waveform in waveforms:
        check(waveform)
        assert 0.9 < len(waveform) / 16_000 < 2.7


def test_twelve_speakers_are_split_disjointly_with_every_emotion_on_every_side(spoken: Corpus) -> None:
    assert len({clip.speaker for clip in spoken.clips}) == 12
    for clip_speaker in {clip.speaker for clip in spoken.clips}:
        assert len({clip.split for clip in spoken.clips if clip.speaker == clip_speaker}) == 1
    assert Counter(clip.split for clip in spoken.clips) == {"train": 280, "dev": 80, "test": 120}
    for split in ("train", "dev", "test"):
        assert {clip.label for clip in spoken.clips if clip.split == split} == set(EMOTIONS)


def test_the_same_seed_speaks_the_same_bytes_and_another_seed_others(spoken: Corpus, tmp_path: Path) -> None:
    speak_corpus(tmp_path / "again", seed=0)
    speak_corpus(tmp_path / "other", seed=1)
    assert digest(tmp_path / "again") == digest(spoken.root) != digest(tmp_path / "other")


def test_no_two_clips_are_the_same_sound(waveforms: list[Waveform]) -> None:
    assert len({waveform.tobytes() for waveform in waveforms}) == len(waveforms)


def test_emotions_differ_on_average_but_loudness_and_length_alone_do_not_tell_them(
    spoken: Corpus, waveforms: list[Waveform]
) -> None:
    features = np.array([[len(w) / 16_000, 20 * np.log10(w.std())] for w in waveforms])
    labels = np.array([clip.label for clip in spoken.clips])
    centres = {emotion: features[labels == emotion].mean(axis=0) for emotion in EMOTIONS}
    assert centres["anger"][0] < centres["neutral"][0] < centres["sadness"][0]
    assert centres["anger"][1] > centres["neutral"][1] > centres["sadness"][1]
    spread = features.std(axis=0)
    nearest = [min(EMOTIONS, key=lambda e: float((((row - centres[e]) / spread) ** 2).sum())) for row in features]
    assert 0.3 < np.mean(np.array(nearest) == labels) < 0.75


def test_every_speaker_says_every_sentence_in_every_emotion(spoken: Corpus) -> None:
    said: dict[str | None, set[tuple[str | None, str | None]]] = defaultdict(set)
    for clip in spoken.clips:
        said[clip.speaker].add((clip.text, clip.label))
    assert all(len(pairs) == 40 for pairs in said.values())


def test_a_complete_corpus_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,speaker,label\n")
    assert speak_corpus(tmp_path) == tmp_path / "manifest.csv"
    assert list(tmp_path.iterdir()) == [tmp_path / "manifest.csv"]


def test_a_folder_that_cannot_be_written_is_a_named_error_with_the_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CorpusError, match=r"did not speak \(NotADirectoryError"):
        speak_corpus(tmp_path / "file" / "corpus")
