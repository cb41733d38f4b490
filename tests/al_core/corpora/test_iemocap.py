from collections.abc import Callable
from pathlib import Path

import pytest

from al_core.corpora.corpus import CorpusError
from al_core.corpora.iemocap import read_iemocap
from al_core.corpora.read import read_corpus

WriteWav = Callable[..., Path]

IMPROVISED = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\texc\t[4.0000, 3.5000, 3.0000]
C-E2:\tExcited;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F001\txxx\t[2.5000, 2.5000, 2.5000]
[20.0000 - 21.0000]\tSes01F_impro01_F002\tfru\t[2.0000, 4.5000, 3.5000]
[22.0000 - 23.0000]\tSes01F_impro01_F003\tang\t[1.5000, 4.5000, 4.0000]
[24.0000 - broken
[26.0000 - 27.0000]\tSes01F_impro01_F004\tzzz\t[2.0000, 2.0000, 2.0000]
"""
SCRIPTED = "[1.0000 - 2.5000]\tSes05M_script01_1b_F012\tsad\t[2.0000, 2.0000, 2.3333]\n"
WORDS = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M000 [010.0100-011.3925]: Yeah. [LAUGHTER]
M: Yeah.
"""


@pytest.fixture
def root(tmp_path: Path, write_wav: WriteWav) -> Path:
    first, fifth = tmp_path / "Session1", tmp_path / "Session5"
    labels = {first / "dialog/EmoEvaluation/Ses01F_impro01.txt": IMPROVISED}
    labels |= {fifth / "dialog/EmoEvaluation/Ses05M_script01_1b.txt": SCRIPTED}
    labels |= {first / "dialog/EmoEvaluation/._Ses01F_impro01.txt": "\0\0"}
    labels |= {first / "dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt": "Ses01F_impro01_F000 :Neutral; ()"}
    labels |= {first / "dialog/transcriptions/Ses01F_impro01.txt": WORDS}
    for path, text in labels.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("F000", "M000", "F001", "F002"):
        write_wav(first / "sentences/wav/Ses01F_impro01" / f"Ses01F_impro01_{name}.wav")
    write_wav(fifth / "sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F012.wav")
    return tmp_path


def test_sentences_have_label_speaker_session_and_words(root: Path) -> None:
    corpus = read_corpus(root)
    found = [(clip.path.stem, clip.speaker, clip.session, clip.gender, clip.label, clip.text) for clip in corpus.clips]
    assert found == [
        ("Ses01F_impro01_F000", "Ses01F", "Ses01", "female", "neutral", "Excuse me."),
        ("Ses01F_impro01_M000", "Ses01M", "Ses01", "male", "excitement", "Yeah. [LAUGHTER]"),
        ("Ses01F_impro01_F001", "Ses01F", "Ses01", "female", None, None),
        ("Ses01F_impro01_F002", "Ses01F", "Ses01", "female", "frustration", None),
        ("Ses05M_script01_1b_F012", "Ses05F", "Ses05", "female", "sadness", None),
    ]
    assert corpus.clips[0].external_id == "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"


def test_dimensions_are_published_as_valence_activation_dominance(root: Path) -> None:
    assert read_iemocap(root).clips[1].dimensions == {"valence": 4.0, "arousal": 3.5, "dominance": 3.0}


def test_excitement_is_merged_only_when_asked(root: Path) -> None:
    labels = [clip.label for clip in read_iemocap(root, excitement="happiness").clips]
    assert "excitement" not in labels and labels[1] == "happiness"


def test_missing_audio_broken_lines_and_unknown_emotions_are_refused_by_line(root: Path) -> None:
    where = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    assert [(refusal.where, refusal.code) for refusal in read_iemocap(root).refused] == [
        (f"{where}:13", "missing_file"),
        (f"{where}:14", "malformed"),
        (f"{where}:15", "unknown_label"),
    ]


def test_a_folder_without_label_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="EmoEvaluation"):
        read_iemocap(tmp_path)
