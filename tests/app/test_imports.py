"""Importing corpora: what becomes of every clip, and that doing it again changes nothing."""

from pathlib import Path

import pytest

from app.db import Database, utcnow
from app.imports.plan import CorpusSplitError
from app.imports.service import ImportReport, import_corpus
from app.models import Asset, Clip, Job
from app.projects.service import create_project
from app.specs import Scheme
from app.storage import Storage

CLASSES = ("anger", "neutral")


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(tmp_path / "blobs")


@pytest.fixture
def project(database) -> int:
    with database.write() as session:
        return create_project(session, name="p", scheme=Scheme(CLASSES), encoder="none", now=utcnow()).id


@pytest.fixture
def corpus(tmp_path, wav_bytes):
    """Write a manifest of (file, speaker, label, split) rows; a file that is not there yet is made of its own noise."""

    def write(rows: list[tuple[str, str, str, str]], header: str = "path,speaker,label,split") -> Path:
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        for file, *_ in rows:
            path = folder / file
            if not path.exists() and "missing" not in file and ".." not in file:
                path.write_bytes(wav_bytes(seconds=0.5, seed=sum(file.encode())))
        manifest = folder / "manifest.csv"
        manifest.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
        return manifest

    return write


ROWS = [
    ("a.wav", "s1", "anger", "train"),
    ("b.wav", "s1", "neutral", "train"),
    ("c.wav", "s2", "anger", "dev"),
    ("d.wav", "s3", "neutral", "test"),
]


@pytest.fixture
def run(database, storage, project):
    def run(manifest: Path, **options) -> ImportReport:
        return list(import_corpus(database, storage, project, manifest, **options))[-1].report

    return run


def _clips(database: Database) -> dict[str, Clip]:
    with database.read() as session:
        return {clip.external_id: clip for clip in session.query(Clip)}


def test_clips_come_in_with_what_the_manifest_says(database, run, corpus):
    report = run(corpus(ROWS))
    clips = _clips(database)
    assert report == ImportReport(created=4)
    assert {name: (clip.speaker, clip.split) for name, clip in clips.items()} == {
        "a.wav": ("s1", "train"),
        "b.wav": ("s1", "train"),
        "c.wav": ("s2", "dev"),
        "d.wav": ("s3", "test"),
    }
    with database.read() as session:
        assert [job.kind for job in session.query(Job)] == ["embed"]


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ("evaluation", {"a.wav": None, "b.wav": None, "c.wav": "anger", "d.wav": "neutral"}),
        ("all", {"a.wav": "anger", "b.wav": "neutral", "c.wav": "anger", "d.wav": "neutral"}),
        ("none", {"a.wav": None, "b.wav": None, "c.wav": None, "d.wav": None}),
    ],
)
def test_only_the_labels_asked_for_are_kept(database, run, corpus, labels, kept):
    run(corpus(ROWS), labels=labels)
    assert {name: clip.reference_label for name, clip in _clips(database).items()} == kept


def test_importing_again_creates_nothing_and_decodes_nothing(database, run, corpus, monkeypatch):
    manifest = corpus(ROWS)
    run(manifest)
    before = {name: clip.id for name, clip in _clips(database).items()}
    monkeypatch.setattr("app.imports.service.check_audio", None)
    assert run(manifest) == ImportReport(unchanged=4)
    assert {name: clip.id for name, clip in _clips(database).items()} == before


def test_a_changed_manifest_is_reported_as_conflicts(run, corpus):
    run(corpus(ROWS))
    report = run(corpus([("a.wav", "s9", "anger", "train"), *ROWS[1:]]))
    assert (report.created, report.unchanged) == (0, 3)
    assert [(row.where, row.code) for row in report.conflicts] == [("a.wav", "conflict")]
    assert "another speaker" in report.conflicts[0].detail


def test_other_bytes_under_a_known_name_are_a_conflict(run, corpus, wav_bytes, tmp_path):
    manifest = corpus(ROWS)
    run(manifest)
    (tmp_path / "corpus" / "a.wav").write_bytes(wav_bytes(seed=999))
    report = run(manifest)
    assert (report.created, report.unchanged) == (0, 3)
    assert "other audio" in report.conflicts[0].detail


def test_the_same_audio_under_two_names_is_one_clip_and_reported(database, run, corpus, tmp_path, wav_bytes):
    rows = [*ROWS, ("twin.wav", "s1", "anger", "train")]
    (tmp_path / "corpus").mkdir()
    for name in ("a.wav", "twin.wav"):
        (tmp_path / "corpus" / name).write_bytes(wav_bytes(seed=7))
    for created, unchanged in ((4, 1), (0, 5)):
        report = run(corpus(rows))
        assert (report.created, report.unchanged) == (created, unchanged)
        assert [(row.where, row.detail) for row in report.same_audio] == [("twin.wav", "the same audio as a.wav")]
    assert len(_clips(database)) == 4


def test_each_bad_clip_is_refused_by_name_and_the_rest_come_in(database, run, corpus, tmp_path, wav_bytes):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "short.wav").write_bytes(wav_bytes(seconds=0.1))
    (folder / "silent.wav").write_bytes(wav_bytes(amplitude=0.0))
    (folder / "long.wav").write_bytes(wav_bytes(seconds=3.0))
    (folder / "text.wav").write_bytes(b"no audio")
    (folder / "empty.wav").write_bytes(b"")
    bad = ["short.wav", "silent.wav", "long.wav", "text.wav", "empty.wav", "missing.wav", "../outside.wav"]
    rows = [*ROWS, *((name, "s1", "anger", "train") for name in bad), ("joy.wav", "s1", "joy", "train")]
    report = run(corpus(rows), max_clip_s=2.0)
    codes = {row.where: row.code for row in report.refused}
    assert report.created == 4
    assert {"short.wav": "too_short", "silent.wav": "silent", "long.wav": "too_long"}.items() <= codes.items()
    assert {"text.wav": "unreadable", "empty.wav": "empty", "joy.wav": "unknown_label"}.items() <= codes.items()
    assert {"missing_file", "outside_folder"} <= set(codes.values())
    assert len(report.refused) == 8
    assert len(_clips(database)) == 4


def test_an_unknown_label_does_not_matter_when_no_label_is_kept(run, corpus):
    assert run(corpus([*ROWS, ("joy.wav", "s1", "joy", "train")]), labels="none").created == 5


def test_a_speaker_of_two_splits_is_refused_with_all_his_clips(run, corpus):
    report = run(corpus([*ROWS, ("e.wav", "s1", "anger", "test")]))
    assert {row.where for row in report.refused} == {"a.wav", "b.wav", "e.wav"}
    assert report.refused[0].detail == "speaker 's1' would be in test and train: keep each speaker in one split"


def test_a_speaker_the_project_knows_stays_in_his_split(run, corpus):
    run(corpus(ROWS))
    report = run(corpus([*ROWS, ("e.wav", "s3", "anger", "train")]))
    assert (report.unchanged, [row.where for row in report.refused]) == (4, ["e.wav"])


def _unsplit(n_speakers: int, first: int = 0) -> list[tuple[str, str, str, str]]:
    speakers = range(first, first + n_speakers)
    return [(f"{s}-{label}.wav", f"s{s}", label, "") for s in speakers for label in CLASSES]


def test_a_corpus_without_splits_is_split_by_speaker(database, run, corpus):
    run(corpus(_unsplit(8)))
    clips = _clips(database).values()
    for split in ("dev", "test"):
        assert {clip.reference_label for clip in clips if clip.split == split} == set(CLASSES)
    assert len({(clip.speaker, clip.split) for clip in clips}) == 8


def test_speakers_who_come_later_join_the_training_clips(database, run, corpus):
    run(corpus(_unsplit(8)))
    before = {name: clip.split for name, clip in _clips(database).items()}
    report = run(corpus(_unsplit(8) + _unsplit(2, first=8)))
    after = {name: clip.split for name, clip in _clips(database).items()}
    assert (report.created, report.unchanged) == (4, 16)
    assert before.items() <= after.items()
    assert {split for name, split in after.items() if name not in before} == {"train"}


def test_a_corpus_that_cannot_be_split_by_speaker_says_what_to_do(run, corpus):
    with pytest.raises(CorpusSplitError, match="`split` column"):
        run(corpus(_unsplit(2)))


def test_a_plain_folder_of_unlabelled_audio_is_training_audio(database, run, tmp_path, wav_bytes):
    folder = tmp_path / "pile"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.wav").write_bytes(wav_bytes(seed=seed))
    assert run(folder).created == 3
    assert {clip.split for clip in _clips(database).values()} == {"train"}


def test_windows_of_a_long_recording_are_clips_and_the_recording_is_kept_once(
    database, run, corpus, tmp_path, wav_bytes
):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "long.wav").write_bytes(wav_bytes(seconds=4.0))
    rows = [("long.wav", "s1", "anger", "train", str(start), str(start + 1)) for start in range(4)]
    manifest = corpus(rows, header="path,speaker,label,split,start_s,end_s")
    assert run(manifest, max_clip_s=2.0).created == 4
    assert run(manifest, max_clip_s=2.0).unchanged == 4
    with database.read() as session:
        assert session.query(Asset).count() == 1


def test_progress_counts_every_row_once(database, storage, project, corpus):
    manifest = corpus([*ROWS, ("missing.wav", "s1", "anger", "train"), ("joy.wav", "s1", "joy", "train")])
    steps = list(import_corpus(database, storage, project, manifest))
    assert [step.total for step in steps] == [6] * len(steps)
    assert (steps[0].done, steps[-1].done) == (2, 6)


def test_an_import_that_is_stopped_keeps_whole_batches_and_goes_on_later(
    database, storage, project, run, corpus, monkeypatch
):
    monkeypatch.setattr("app.imports.service.CLIPS_A_BATCH", 1)
    manifest = corpus(ROWS)
    steps = import_corpus(database, storage, project, manifest)
    for _ in range(3):
        next(steps)
    steps.close()
    assert len(_clips(database)) == 2
    assert run(manifest) == ImportReport(created=2, unchanged=2)


def test_the_two_identical_clips_of_ravdess_are_one_clip(database, storage, shared, tmp_path):
    classes = ("anger", "calm", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    with database.write() as session:
        project = create_project(session, name="ravdess", scheme=Scheme(classes), encoder="none", now=utcnow()).id
    header, *lines = (shared / "data" / "ravdess" / "manifest.csv").read_text().splitlines()
    happy = [line for line in lines if "03-01-03-01-02-0" in line and "-07." in line]
    for line in happy:
        copy = tmp_path / line.split(",")[0]
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((shared / "data" / "ravdess" / line.split(",")[0]).read_bytes())
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join([header, *happy]))
    assert len(happy) == 2
    for created in (1, 0):
        report = list(import_corpus(database, storage, project, manifest))[-1].report
        assert (report.created, report.unchanged, len(report.same_audio)) == (created, 2 - created, 1)
        assert (report.conflicts, report.refused) == ((), ())


def _request(api, manifest: str):
    return api.post(f"/projects/{api.project()}/imports", json={"manifest": manifest})


def test_an_import_over_http_queues_a_job_with_the_resolved_path(api, settings):
    (settings.import_root / "corpus").mkdir()
    (settings.import_root / "corpus" / "manifest.csv").write_text("path,speaker,label\n")
    answer = _request(api, "corpus/manifest.csv")
    assert answer.status_code == 202
    assert answer.json()["kind"] == "import_corpus"
    path = str((settings.import_root / "corpus" / "manifest.csv").resolve())
    assert answer.json()["payload"] == {"path": path, "labels": "evaluation"}


@pytest.mark.parametrize("manifest", ["../secret.csv", "/etc/passwd", "link", "a\0b", "x" * 3000, "nothing.csv"])
def test_a_path_outside_the_import_folder_is_refused(api, settings, tmp_path, manifest):
    (tmp_path / "secret.csv").write_text("")
    (settings.import_root / "link").symlink_to(tmp_path / "secret.csv")
    answer = _request(api, manifest)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("manifest: ")


def test_a_server_without_an_import_folder_says_how_to_give_it_one(settings, serve):
    with serve(settings.model_copy(update={"import_root": None})) as api:
        answer = _request(api, "manifest.csv")
    assert answer.status_code == 422
    assert "AFTERLOOP_IMPORT_ROOT" in answer.json()["detail"]
