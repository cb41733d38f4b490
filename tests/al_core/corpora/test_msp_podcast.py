from collections.abc import Callable
from pathlib import Path

import pytest

from al_core.corpora.corpus import CorpusError
from al_core.corpora.msp_podcast import read_msp_podcast
from al_core.corpora.read import read_corpus

WriteWav = Callable[..., Path]

LABELS = """FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,4.6,4.2,5.0,127,Male,Train
MSP-PODCAST_0001_0019.wav,X,4.4,4.0,4.6,127,Male,Train
MSP-PODCAST_0002_0033.wav,U,5.0,5.5,4.8,128,Female,Development
MSP-PODCAST_0003_0040.wav,C,3.0,2.5,3.8,129,Female,Test1
MSP-PODCAST_0004_0051.wav,A,6.0,1.5,5.8,Unknown,Unknown,Test2
MSP-PODCAST_0005_0001.wav,H,6.0,6.5,5.8,130,Male,Train
MSP-PODCAST_0001_0008.wav,Q,6.0,6.5,5.8,130,Male,Train
MSP-PODCAST_0001_0008.wav,H,high,6.5,5.8,130,Male,Train
MSP-PODCAST_0001_0008.wav,H,6.0,6.5,5.8,130,Male,Holdout
../../secret.wav,H,6.0,6.5,5.8,130,Male,Train
"""


@pytest.fixture
def root(tmp_path: Path, write_wav: WriteWav) -> Path:
    root = tmp_path / "MSP-PODCAST"
    (root / "Labels").mkdir(parents=True)
    (root / "Labels" / "labels_consensus.csv").write_text(LABELS)
    for number in ("0001_0008", "0001_0019", "0002_0033", "0003_0040", "0004_0051"):
        write_wav(root / "Audios" / f"MSP-PODCAST_{number}.wav")
    write_wav(tmp_path / "secret.wav")
    return root


def test_files_have_label_split_speaker_and_the_recording_they_were_cut_from(root: Path) -> None:
    found = [(clip.label, clip.split, clip.speaker, clip.gender, clip.session) for clip in read_corpus(root).clips]
    assert found == [
        ("neutral", "train", "127", "male", "MSP-PODCAST_0001"),
        (None, "train", "127", "male", "MSP-PODCAST_0001"),
        ("surprise", "dev", "128", "female", "MSP-PODCAST_0002"),
        ("contempt", "test", "129", "female", "MSP-PODCAST_0003"),
        ("anger", "test", None, None, "MSP-PODCAST_0004"),
    ]


def test_dimensions_are_arousal_valence_dominance(root: Path) -> None:
    clip = read_corpus(root).clips[0]
    assert clip.dimensions == {"arousal": 4.6, "valence": 4.2, "dominance": 5.0}
    assert clip.external_id == "Audios/MSP-PODCAST_0001_0008.wav"


def test_the_folder_and_its_label_file_are_the_same_corpus(root: Path) -> None:
    assert read_corpus(root) == read_corpus(root / "Labels" / "labels_consensus.csv")


def test_bad_rows_are_refused_by_line(root: Path) -> None:
    assert [(refusal.where, refusal.code) for refusal in read_corpus(root).refused] == [
        ("labels_consensus.csv:7", "missing_file"),
        ("labels_consensus.csv:8", "unknown_label"),
        ("labels_consensus.csv:9", "malformed"),
        ("labels_consensus.csv:10", "malformed"),
        ("labels_consensus.csv:11", "outside_folder"),
    ]


def test_labels_and_audio_may_lie_in_one_folder(tmp_path: Path, write_wav: WriteWav) -> None:
    (tmp_path / "labels_consensus.csv").write_text("\n".join(LABELS.splitlines()[:2]) + "\n")
    write_wav(tmp_path / "MSP-PODCAST_0001_0008.wav")
    assert [clip.label for clip in read_corpus(tmp_path).clips] == ["neutral"]


def test_a_table_without_clips_says_so(tmp_path: Path) -> None:
    path = tmp_path / "labels_consensus.csv"
    path.write_text(LABELS.splitlines()[0] + "\n")
    with pytest.raises(CorpusError, match="lists no clips"):
        read_msp_podcast(path)
