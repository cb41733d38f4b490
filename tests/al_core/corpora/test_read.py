from collections.abc import Callable
from pathlib import Path

import pytest

from al_core.corpora.corpus import CorpusError
from al_core.corpora.read import read_corpus

WriteWav = Callable[..., Path]


def test_a_manifest_in_a_folder_comes_before_the_names_of_its_files(tmp_path: Path, write_wav: WriteWav) -> None:
    write_wav(tmp_path / "03a01Fa.wav")
    (tmp_path / "manifest.csv").write_text("path,speaker,label\n03a01Fa.wav,anna,joy\n")
    for path in (tmp_path, tmp_path / "manifest.csv"):
        (clip,) = read_corpus(path).clips
        assert (clip.speaker, clip.label) == ("anna", "joy")


def test_every_path_lies_in_the_root_even_through_a_link_to_the_corpus(tmp_path: Path, write_wav: WriteWav) -> None:
    write_wav(tmp_path / "real" / "audio" / "a.wav")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    corpus = read_corpus(tmp_path / "alias")
    assert corpus.name == "real" and corpus.root == (tmp_path / "real").resolve()
    assert corpus.clips[0].path.relative_to(corpus.root) == Path("audio/a.wav")


def test_what_is_not_there_or_no_corpus_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(CorpusError, match="does not exist"):
        read_corpus(tmp_path / "gone")
    with pytest.raises(CorpusError, match="not a CSV"):
        read_corpus(tmp_path / "a.wav")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CorpusError, match="path, speaker, label"):
        read_corpus(tmp_path / "notes.csv")
