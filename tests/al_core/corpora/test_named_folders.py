"""EMO-DB, RAVDESS, CREMA-D and SAVEE: what their file names say, on real names and on folders in the published form."""

from collections.abc import Callable
from pathlib import Path, PurePath

import pytest

from al_core.corpora import cremad, emodb, ravdess, savee
from al_core.corpora.corpus import Corpus, CorpusError
from al_core.corpora.folder import Description, audio_files, read_folder
from al_core.corpora.manifest import read_manifest
from al_core.corpora.read import read_corpus

WriteWav = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("03a01Fa.wav", Description("03", "happiness", "male", "a01")),
        ("16b10Td.wav", Description("16", "sadness", "female", "b10")),
        ("08a02W.flac", Description("08", "anger", "female", "a02")),
        ("10a04La.wav", Description("10", "boredom", "male", "a04")),
        ("14b03Ec.wav", Description("14", "disgust", "female", "b03")),
        ("11b09Ad.wav", Description("11", "fear", "male", "b09")),
        ("15a07Nb.wav", Description("15", "neutral", "male", "a07")),
        ("03a01Xa.wav", None),
        ("noise.wav", None),
    ],
)
def test_emodb_names(name: str, expected: Description | None) -> None:
    assert emodb.describe(PurePath("wav", name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("03-01-06-01-02-01-12.wav", Description("12", "fear", "female", "s02")),
        ("03-01-02-01-01-02-01.wav", Description("01", "calm", "male", "s01")),
        ("03-01-08-02-01-02-23.wav", Description("23", "surprise", "male", "s01")),
        ("03-02-05-01-01-01-10.wav", Description("10", "anger", "female", "s01")),
        ("03-01-09-01-01-01-10.wav", None),
        ("02-01-06-01-02-01-12.wav", None),
    ],
)
def test_ravdess_names(name: str, expected: Description | None) -> None:
    assert ravdess.describe(PurePath("Actor_12", name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1001_DFA_ANG_XX.wav", Description("1001", "anger", "male", "DFA")),
        ("1002_IEO_HAP_LO.wav", Description("1002", "happiness", "female", "IEO")),
        ("1091_WSI_DIS_XX.wav", Description("1091", "disgust", "female", "WSI")),
        ("1040_ITH_SAD_X.wav", Description("1040", "sadness", "male", "ITH")),
        ("1001_DFA_BOR_XX.wav", None),
    ],
)
def test_cremad_names(name: str, expected: Description | None) -> None:
    assert cremad.describe(PurePath("AudioWAV", name)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("DC_a01.wav", Description("DC", "anger", "male", "a01")),
        ("ALL/KL_su15.wav", Description("KL", "surprise", "male", "su15")),
        ("AudioData/JE/sa03.wav", Description("JE", "sadness", "male", "sa03")),
        ("JK/n30.wav", Description("JK", "neutral", "male", "n30")),
        ("DC_s01.wav", None),
        ("XX_a01.wav", None),
        ("a01.wav", None),
    ],
)
def test_savee_paths(path: str, expected: Description | None) -> None:
    assert savee.describe(PurePath(path)) == expected


def make(root: Path, names: list[str], write_wav: WriteWav) -> Corpus:
    for name in names:
        write_wav(root / name, seconds=0.25)
    return read_corpus(root)


@pytest.mark.parametrize(
    ("names", "speakers", "labels"),
    [
        (["wav/03a01Fa.wav", "wav/08a02Wc.wav"], ["03", "08"], ["happiness", "anger"]),
        (
            ["Actor_01/03-01-03-01-01-01-01.wav", "Actor_02/03-01-04-01-01-01-02.wav"],
            ["01", "02"],
            ["happiness", "sadness"],
        ),
        (["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_TSI_FEA_HI.wav"], ["1001", "1002"], ["anger", "fear"]),
        (["DC_h01.wav", "KL_sa02.wav"], ["DC", "KL"], ["happiness", "sadness"]),
        (["AudioData/DC/d01.wav", "AudioData/JE/f02.wav"], ["DC", "JE"], ["disgust", "fear"]),
    ],
    ids=["EMO-DB", "RAVDESS", "CREMA-D", "SAVEE", "SAVEE folders"],
)
def test_a_folder_is_recognised_by_its_names(
    tmp_path: Path, write_wav: WriteWav, names: list[str], speakers: list[str], labels: list[str]
) -> None:
    corpus = make(tmp_path, names, write_wav)
    assert [clip.speaker for clip in corpus.clips] == speakers
    assert [clip.label for clip in corpus.clips] == labels
    assert [clip.external_id for clip in corpus.clips] == names and not corpus.refused


def test_a_foreign_name_in_a_named_folder_is_refused_by_name(tmp_path: Path, write_wav: WriteWav) -> None:
    corpus = make(tmp_path, ["03a01Fa.wav", "03a02Wa.wav", "take two.wav"], write_wav)
    assert [(refusal.where, refusal.code) for refusal in corpus.refused] == [("take two.wav", "unknown_name")]
    assert len(corpus.clips) == 2


def test_a_plain_folder_gives_clips_nothing_is_known_of(tmp_path: Path, write_wav: WriteWav) -> None:
    corpus = make(tmp_path, ["x/one.WAV", "two.wav", "._two.wav", "__MACOSX/two.wav", ".cache/three.wav"], write_wav)
    (tmp_path / "notes.txt").write_text("not audio")
    assert [clip.external_id for clip in corpus.clips] == ["two.wav", "x/one.WAV"]
    assert all(clip.speaker is clip.label is clip.split is None for clip in corpus.clips)
    assert audio_files(tmp_path) == [PurePath("two.wav"), PurePath("x/one.WAV")]


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path, write_wav: WriteWav) -> None:
    write_wav(tmp_path / "secret.wav")
    write_wav(tmp_path / "corpus" / "a.wav")
    (tmp_path / "corpus" / "b.wav").symlink_to(tmp_path / "secret.wav")
    corpus = read_corpus(tmp_path / "corpus")
    assert [(refusal.where, refusal.code) for refusal in corpus.refused] == [("b.wav", "outside_folder")]
    assert [clip.external_id for clip in corpus.clips] == ["a.wav"]


def test_a_folder_without_audio_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no audio"):
        read_folder(tmp_path)


@pytest.mark.parametrize(("name", "count"), [("emodb-2s", 535), ("ravdess", 1440)])
def test_real_names_say_what_the_publishers_manifest_says(shared: Path, name: str, count: int) -> None:
    listed = {clip.path: clip for clip in read_manifest(shared / "data" / name / "manifest.csv").clips}
    corpus = read_corpus(shared / "data" / name / "audio")
    assert len(corpus.clips) == count and not corpus.refused
    for clip in corpus.clips:
        other = listed[clip.path]
        assert (clip.speaker, clip.label, clip.gender, clip.text) == (
            other.speaker,
            other.label,
            other.gender,
            other.text,
        )
