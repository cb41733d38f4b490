from collections.abc import Callable
from pathlib import Path

import pytest

from al_core.corpora.corpus import ClipError, CorpusError
from al_core.corpora.manifest import read_manifest

HEADER = "path,speaker,label,split,session,gender,text,arousal,valence,dominance,start_s,end_s,extra\n"
WriteWav = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, write_wav: WriteWav) -> Path:
    for name in ("a.wav", "b.wav", "c.wav"):
        write_wav(tmp_path / "corpus" / "audio" / name)
    write_wav(tmp_path / "outside.wav")
    return tmp_path / "corpus"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_column_is_read_and_further_ones_are_attributes(folder: Path) -> None:
    row = 'audio/a.wav,03,anger,dev,1,female,"Yes, now",0.5,-0.25,0,1.5,3.25,whatever\n'
    (clip,) = read_manifest(write(folder, HEADER + row)).clips
    assert clip.path == (folder / "audio" / "a.wav").resolve()
    assert clip.external_id == "audio/a.wav#1.5-3.25"
    assert (clip.speaker, clip.label, clip.split) == ("03", "anger", "dev")
    assert (clip.session, clip.gender, clip.text) == ("1", "female", "Yes, now")
    assert clip.dimensions == {"arousal": 0.5, "valence": -0.25, "dominance": 0.0}
    assert clip.attributes == {"extra": "whatever"}
    assert (clip.start_s, clip.end_s) == (1.5, 3.25)


def test_empty_cells_say_nothing(folder: Path) -> None:
    (clip,) = read_manifest(write(folder, HEADER + "audio/a.wav" + "," * 12 + "\n")).clips
    assert clip.speaker is clip.label is clip.split is clip.session is clip.gender is clip.text is clip.end_s is None
    assert clip.dimensions == clip.attributes == {} and clip.start_s == 0.0 and clip.external_id == "audio/a.wav"


def test_a_further_column_of_numbers_is_a_dimension_to_whoever_asks(folder: Path) -> None:
    text = "path,speaker,label,arousal,natural,note\naudio/a.wav,s,anger,0.5,75.5,loud\n"
    (clip,) = read_manifest(write(folder, text)).clips
    assert [clip.value(name) for name in ("arousal", "natural", "valence")] == [0.5, 75.5, None]
    with pytest.raises(ClipError, match="note is 'loud'"):
        clip.value("note")


def test_a_header_without_a_name_is_no_attribute(folder: Path) -> None:
    (clip,) = read_manifest(write(folder, "path,speaker,label,\naudio/a.wav,s,anger,x\n")).clips
    assert clip.attributes == {}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_any_line_ending_are_fine(folder: Path, ending: str, mark: bytes) -> None:
    text = ending.join(["path,speaker,label", "audio/a.wav,ü,anger", "", "audio/b.wav,s2,sadness,,", ""])
    corpus = read_manifest(write(folder, mark + text.encode()))
    assert [clip.speaker for clip in corpus.clips] == ["ü", "s2"] and not corpus.refused


BAD_ROWS = {
    "../outside.wav,s,anger": "outside_folder",
    "audio/../../outside.wav,s,anger": "outside_folder",
    "/etc/hostname,s,anger": "outside_folder",
    "audio/link.wav,s,anger": "outside_folder",
    "linked/outside.wav,s,anger": "outside_folder",
    "audio/gone.wav,s,anger": "missing_file",
    "audio,s,anger": "missing_file",
    "audio/dangling.wav,s,anger": "missing_file",
    "audio/loop.wav,s,anger": "malformed",
    "audio/\0.wav,s,anger": "malformed",
    "x" * 5_000 + ",s,anger": "malformed",
    ",s,anger": "malformed",
    "audio/b.wav,s": "malformed",
    "audio/b.wav,s,anger,train,1,m,words,0.1,0.1,0.1,0,1,x,surplus": "malformed",
    "audio/b.wav,s,anger,validation": "malformed",
    "audio/b.wav,s,anger,train,1,m,words,loud": "malformed",
    "audio/b.wav,s,anger,train,1,m,words,nan": "malformed",
    "audio/b.wav,s,anger,train,1,m,words,,,,-1": "malformed",
    "audio/b.wav,s,anger,train,1,m,words,,,,2,1": "malformed",
    "audio/b.wav,s,anger,train,1,m,words,,,,inf": "malformed",
    'audio/b.wav,"s"x,anger': "malformed",
    "./audio/a.wav,s,anger": "duplicate",
}


@pytest.mark.parametrize("row", BAD_ROWS, ids=lambda row: row[:40].replace("\0", "NUL"))
def test_a_bad_row_is_refused_by_its_line_and_the_rest_is_read(folder: Path, row: str) -> None:
    (folder / "audio" / "link.wav").symlink_to(folder.parent / "outside.wav")
    (folder / "audio" / "dangling.wav").symlink_to(folder / "audio" / "nowhere.wav")
    (folder / "audio" / "loop.wav").symlink_to(folder / "audio" / "loop.wav")
    (folder / "linked").symlink_to(folder.parent)
    filled = row + "," * (12 - row.count(",")) if row.count(",") > 1 else row
    corpus = read_manifest(write(folder, f"{HEADER}audio/a.wav{',' * 12}\n{filled}\naudio/c.wav{',' * 12}\n"))
    (refusal,) = corpus.refused
    assert (refusal.where, refusal.code) == ("manifest.csv:3", BAD_ROWS[row]) and refusal.detail
    assert [clip.external_id for clip in corpus.clips] == ["audio/a.wav", "audio/c.wav"]


def test_a_quote_left_open_names_the_lines_it_swallowed(folder: Path) -> None:
    text = 'path,speaker,label\naudio/a.wav,s,anger\naudio/b.wav,"s,anger\naudio/c.wav,s,anger\n'
    corpus = read_manifest(write(folder, text))
    assert [clip.external_id for clip in corpus.clips] == ["audio/a.wav"]
    assert corpus.refused[0].where == "manifest.csv:3" and "lines 3 to 4 not read" in corpus.refused[0].detail


def test_a_cell_of_several_lines_does_not_shift_the_numbers_of_later_rows(folder: Path) -> None:
    text = 'path,speaker,label,text\naudio/a.wav,s,anger,"two\nlines"\naudio/gone.wav,s,anger,\n'
    corpus = read_manifest(write(folder, text))
    assert corpus.clips[0].text == "two\nlines" and corpus.refused[0].where == "manifest.csv:4"


def test_two_windows_of_one_file_are_two_clips(folder: Path) -> None:
    text = "path,speaker,label,start_s,end_s\n" + "".join(
        f"audio/a.wav,s,anger,{i / 10_000 + 1_000},{i / 10_000 + 1_000.5}\n" for i in range(3)
    )
    corpus = read_manifest(write(folder, text))
    assert len({clip.external_id for clip in corpus.clips}) == 3 and not corpus.refused


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "path, speaker, label"),
        ("path,speaker\n", "label"),
        ("path,speaker,label,path\n", "twice"),
        ("path,speaker,label\n", "lists no clips"),
        ("path,speaker,label\naudio/a.wav,M\xfcller,anger\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_file_that_is_no_manifest_says_what_it_lacks(folder: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        read_manifest(write(folder, text))


@pytest.mark.parametrize(
    ("name", "count", "speakers", "classes"), [("emodb-2s", 535, 10, 7), ("ravdess", 1440, 24, 8), ("urdu", 400, 29, 4)]
)
def test_real_manifests_are_read_whole(shared: Path, name: str, count: int, speakers: int, classes: int) -> None:
    corpus = read_manifest(shared / "data" / name / "manifest.csv")
    assert (corpus.name, len(corpus.clips), corpus.refused) == (name, count, ())
    assert len({clip.speaker for clip in corpus.clips}) == speakers
    assert len({clip.label for clip in corpus.clips}) == classes
    assert {clip.split for clip in corpus.clips} == {"train", "dev", "test"}


def test_the_listeners_of_emodb_are_dimensions(shared: Path) -> None:
    clips = read_manifest(shared / "data" / "emodb-2s" / "manifest.csv").clips
    for name in ("recognised", "natural"):
        values = [value for clip in clips if (value := clip.value(name)) is not None]
        assert len(values) == len(clips) and 0 <= min(values) < max(values) <= 100
