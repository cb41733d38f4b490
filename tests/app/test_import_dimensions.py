"""Importing values of dimensions and further columns: kept, checked against the scales, and refused by name."""

from pathlib import Path

import pytest

from al_core.scheme import Dimension
from app.db import Database, utcnow
from app.imports.service import ImportReport, import_corpus
from app.models import Clip
from app.projects.service import create_project
from app.specs import Scheme
from app.storage import Storage

CLASSES = ("anger", "neutral")


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(tmp_path / "blobs")


def _clips(database: Database) -> dict[str, Clip]:
    with database.read() as session:
        return {clip.external_id: clip for clip in session.query(Clip)}


DIMENSIONAL = (
    "path,speaker,label,split,arousal,natural,language\n"
    "a.wav,s1,anger,train,2.5,70,de\n"
    "b.wav,s2,anger,dev,,80,\n"
    "c.wav,s3,neutral,test,5,0,ur\n"
)


@pytest.fixture
def dimensional(tmp_path, wav_bytes):
    """Write a manifest of three clips with a dimension of ours, one only the scheme knows, and an attribute."""

    def write(text: str = DIMENSIONAL) -> Path:
        folder = tmp_path / "dimensional"
        folder.mkdir(exist_ok=True)
        for seed, name in enumerate("abcdefgh"):
            (folder / f"{name}.wav").write_bytes(wav_bytes(seconds=0.5, seed=seed))
        (folder / "manifest.csv").write_text(text)
        return folder / "manifest.csv"

    return write


@pytest.fixture
def project_of(database):
    def make(*classes: str) -> int:
        scheme = Scheme(classes, (Dimension("arousal", 1, 5), Dimension("natural", 0, 100)))
        with database.write() as session:
            return create_project(session, name="scales", scheme=scheme, encoder="none", now=utcnow()).id

    return make


@pytest.mark.parametrize("classes", [(), CLASSES])
def test_values_of_the_schemes_dimensions_come_in_and_other_columns_are_attributes(
    database, storage, dimensional, project_of, classes
):
    project = project_of(*classes)
    assert list(import_corpus(database, storage, project, dimensional()))[-1].report == ImportReport(created=3)
    clips = _clips(database)
    assert {name: clip.reference_dimensions for name, clip in clips.items()} == {
        "a.wav": None,  # labels of training clips are what annotators are for
        "b.wav": {"natural": 80.0},
        "c.wav": {"arousal": 5.0, "natural": 0.0},
    }
    assert [clips[name].attributes for name in ("a.wav", "b.wav", "c.wav")] == [
        {"language": "de"},
        {},
        {"language": "ur"},
    ]
    assert clips["c.wav"].reference_label == ("neutral" if classes else None)


@pytest.mark.parametrize(
    ("cell", "code", "says"),
    [
        ("5.1", "out_of_range", "arousal is 5.1: the scheme's range is 1 to 5"),
        ("0", "out_of_range", "arousal is 0: the scheme's range is 1 to 5"),
        ("-inf", "malformed", "arousal is '-inf'"),
    ],
)
def test_a_value_off_the_scale_is_refused_by_name_and_the_rest_come_in(
    database, storage, dimensional, project_of, cell, code, says
):
    manifest = dimensional(DIMENSIONAL + f"d.wav,s4,anger,test,{cell},1,\n")
    report = list(import_corpus(database, storage, project_of(), manifest))[-1].report
    assert report.created == 3
    (refused,) = report.refused
    assert refused.code == code and says in refused.detail
    assert refused.where in ("d.wav", "manifest.csv:5")


def test_a_column_only_the_scheme_knows_must_hold_numbers(database, storage, dimensional, project_of):
    manifest = dimensional(DIMENSIONAL + "d.wav,s4,anger,test,1,very,\n")
    report = list(import_corpus(database, storage, project_of(), manifest))[-1].report
    assert [(row.where, row.code) for row in report.refused] == [("d.wav", "malformed")]


def test_no_scale_is_checked_when_no_label_is_kept(database, storage, dimensional, project_of):
    manifest = dimensional(DIMENSIONAL + "d.wav,s4,anger,test,9,1,\n")
    report = list(import_corpus(database, storage, project_of(), manifest, "none"))[-1].report
    assert (report.created, {clip.reference_dimensions for clip in _clips(database).values()}) == (4, {None})


def test_other_values_are_a_conflict_and_new_attributes_are_added(database, storage, dimensional, project_of):
    project = project_of()
    run = lambda text: list(import_corpus(database, storage, project, dimensional(text)))[-1].report  # noqa: E731
    run(DIMENSIONAL)
    assert run(DIMENSIONAL) == ImportReport(unchanged=3)
    changed = run(DIMENSIONAL.replace("test,5,0", "test,4,0"))
    assert [(row.where, "another reference_dimensions" in row.detail) for row in changed.conflicts] == [("c.wav", True)]
    other = run(DIMENSIONAL.replace(",de", ",fr"))
    assert [(row.where, "another language" in row.detail) for row in other.conflicts] == [("a.wav", True)]
    more = (
        DIMENSIONAL.replace("language\n", "language,age\n").replace(",de\n", ",de,young\n").replace(",ur\n", ",ur,\n")
    )
    assert run(more.replace("80,\n", "80,,old\n")) == ImportReport(unchanged=3)
    clips = _clips(database)
    assert clips["a.wav"].attributes == {"language": "de", "age": "young"}
    assert clips["b.wav"].attributes == {"age": "old"}


def test_a_corpus_of_dimensions_alone_is_split_by_speaker(database, storage, dimensional, project_of):
    rows = "".join(f"{name}.wav,s{name},,{2 + place / 4}\n" for place, name in enumerate("abcdefgh"))
    manifest = dimensional("path,speaker,label,arousal\n" + rows)
    assert list(import_corpus(database, storage, project_of(), manifest))[-1].report.created == 8
    clips = _clips(database).values()
    assert {clip.split for clip in clips} == {"train", "dev", "test"}
    assert all((clip.reference_dimensions is None) == (clip.split == "train") for clip in clips)


def test_the_listeners_of_emodb_come_in_as_dimensions(database, storage, shared):
    scheme = Scheme((), (Dimension("recognised", 0, 100), Dimension("natural", 0, 100)))
    with database.write() as session:
        project = create_project(session, name="emodb", scheme=scheme, encoder="none", now=utcnow()).id
    for progress in import_corpus(database, storage, project, shared / "data" / "emodb-2s" / "manifest.csv"):
        if progress.done >= 64:
            break
    clips = _clips(database).values()
    assert all(clip.reference_label is None and clip.attributes == {} for clip in clips)
    assert all(set(clip.reference_dimensions) == {"recognised", "natural"} for clip in clips if clip.split != "train")
