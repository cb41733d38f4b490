"""Every format tells the same story, opens with the package it is meant for, and comes out the same every time."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.db import Database, utcnow
from app.exports import snapshots
from app.exports.formats import Format
from app.exports.source import What
from app.jobs import queue
from app.jobs.child import run_job
from app.models import Account, Annotation, Asset, Assignment, Clip, Project, Role
from app.projects.service import create_project
from app.specs import Scheme
from app.storage import Storage


@pytest.fixture
def written(api, settings, storied, tmp_path) -> Callable[..., Path]:
    """Write an export of the storied project the way its job does; the file, or the folder of a ZIP."""
    storage = Storage(settings.blobs)

    def write(format: Format, what: What = "annotations", audio: bool = False) -> Path:
        place = storage.path(snapshots.build(api.db, storage, storied, format, what, audio).sha256)
        if not zipfile.is_zipfile(place):
            return place
        folder = tmp_path / f"{format} {audio}"
        with zipfile.ZipFile(place) as archive:
            archive.extractall(folder)
        return folder

    return write


def _jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_tell_everything_of_every_event(written):
    rows = _jsonl(written("jsonl"))
    told = [
        (row["external_id"], row["annotator"], row["annotation"], row["scheme_version"], row["live"], row["kind"])
        for row in rows
    ]
    assert told == [
        ("c0", "annotator", "happiness", 1, True, "answer"),
        ("c0", "operator", "joy", 2, True, "answer"),
        ("c1", "annotator", "anger", 2, False, "answer"),
        ("c1", "annotator", "neutral", 2, True, "answer"),
        ("c1", "operator", "anger", 2, True, "answer"),
        ("c2", "annotator", "anger", 2, False, "answer"),
        ("c2", "annotator", None, 2, False, "answer"),
        ("c3", "annotator", None, 2, True, "answer"),
        ("c3", "operator", None, 2, True, "answer"),
        ("c4", "annotator", "anger", 2, True, "answer"),
        ("c4", "annotator", "neutral", 2, True, "repeat"),
    ]
    assert rows[1]["shown"]["label"] == "anger"
    assert rows[1]["dimensions"] == {"arousal": 4.5}
    assert rows[4]["intensities"] == {"anger": 1.0, "joy": 0.25}
    assert rows[3]["supersedes_id"] == rows[2]["annotation_id"]
    assert (rows[6]["withdrawn"], rows[7]["skip_reason"], rows[8]["unclear"]) == (True, "unsure", True)
    assert {row["adjudication"]["adjudicator"] for row in rows if row["external_id"] == "c1"} == {"admin"}
    assert all(row["annotated_at"].endswith("+00:00") for row in rows)


def test_labels_read_old_answers_under_the_scheme_in_use_and_rulings_decide(written):
    rows = {row["external_id"]: row for row in _jsonl(written("jsonl", "labels"))}
    found = {name: (row["label"], row["source"], row["n_answers"]) for name, row in rows.items()}
    assert found == {
        "c0": ("joy", "annotations", 2),
        "c1": ("anger", "adjudication", 2),
        "c3": (None, "annotations", 1),
        "c4": ("anger", "annotations", 1),
        "c6": ("neutral", "import", 0),
    }
    assert rows["c0"]["annotators"] == ["annotator", "operator"]
    assert rows["c0"]["dimensions"] == {"arousal": 4.5}
    assert rows["c1"]["adjudication"]["reason"] == "heard it twice"


def test_the_labels_are_those_that_training_uses(api, storied, written):
    from app.labels.service import of_project

    with api.db.read() as session:
        used = {label.clip_id: label.name for label in of_project(session, storied) if label.name is not None}
    rows = _jsonl(written("jsonl", "labels"))
    told = {row["clip_id"]: row["label"] for row in rows if row["source"] != "import" and row["label"] is not None}
    assert told == used


@pytest.mark.parametrize("estimator", ["dawid_skene", "mace"])
def test_labels_follow_the_projects_estimator(api, storied, written, estimator):
    with api.db.write() as session:
        stored = {"labels": {"kind": estimator}}
        session.execute(update(Project).where(Project.id == storied).values(annotating=stored))
    test_the_labels_are_those_that_training_uses(api, storied, written)


@pytest.mark.parametrize("what", ["annotations", "labels", "adjudications"])
def test_csv_and_parquet_hold_the_rows_of_json_lines(written, what):
    import pyarrow.parquet as pq

    plain = _jsonl(written("jsonl", what))
    table = list(csv.DictReader(io.StringIO(written("csv", what).read_text(), newline="")))
    parquet = pq.read_table(written("parquet", what)).to_pylist()
    assert len(plain) == len(table) == len(parquet) > 0
    for row, cells, flat in zip(plain, table, parquet, strict=True):
        assert cells.keys() == row.keys()
        for name, value in row.items():
            nested = isinstance(value, dict | list | bool)
            assert (json.loads(cells[name]) if nested else cells[name]) == (value if nested else _cell(value)), name
            if name in flat and not name.endswith("_at") and not nested:
                assert flat[name] == value, name
        for prefix, nested in (("dimension", "dimensions"), ("intensity", "intensities"), ("share", "distribution")):
            for key, value in (row.get(nested) or {}).items():
                assert flat[f"{prefix}_{key}"] == value
        if row.get("adjudication"):
            assert flat["ruling_label"] == row["adjudication"]["label"]
            assert flat["ruling_decided_at"].isoformat() == row["adjudication"]["decided_at"]
        if "annotated_at" in row:
            assert flat["annotated_at"].isoformat() == row["annotated_at"]


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def test_the_package_audformat_opens_the_database(written):
    import audformat

    db = audformat.Database.load(str(written("audformat")), load_data=True)
    assert set(db.tables) == {"clips", "labels"}
    assert set(db.misc_tables) == {"annotations", "adjudications"}
    assert db.schemes["emotion"].labels == ["anger", "joy", "neutral", "happiness"]
    labels = db["labels"].get()
    assert audformat.is_segmented_index(labels.index)
    assert dict(zip(db["labels"]["clip_id"].get(), labels["emotion"], strict=True))[2] == "anger"
    assert labels.index.get_level_values("end")[0].total_seconds() == 1.0
    answers = db["annotations"].get()
    assert len(answers) == 11
    assert list(answers["annotator"].unique()) == ["annotator", "operator"]
    assert answers["emotion"].isna().sum() == 3
    assert answers["live"].tolist() == [True, True, False, True, True, False, False, True, True, True, True]
    assert answers["arousal"].max() == 4.5
    assert str(answers["annotated_at"].dtype).startswith("datetime64")
    assert db["adjudications"].get()["reason"].tolist() == ["heard it twice"]
    assert set(db.raters) == {"admin", "annotator", "operator"}


def test_an_audformat_database_with_audio_has_every_file_it_names(written, api, storied):
    import audformat

    folder = written("audformat", audio=True)
    db = audformat.Database.load(str(folder))
    files = db["clips"].files
    assert len(files) == 7
    with api.db.read() as session:
        digests = set(session.scalars(select(Clip.asset_sha256).where(Clip.project_id == storied)))
    assert {Path(file).stem for file in files} == digests
    assert all((folder / file).read_bytes()[:4] == b"RIFF" for file in files)


def test_the_package_datasets_opens_the_folder(written, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")

    folder = str(written("datasets", audio=True))
    cache = str(tmp_path / "cache")
    labels = datasets.load_dataset(folder, "labels", cache_dir=cache)
    assert {split: len(rows) for split, rows in labels.items()} == {"train": 4, "test": 1}
    assert labels["train"]["label"] == ["joy", "anger", None, "anger"]
    assert isinstance(labels["train"].features["audio"], datasets.Audio)
    raw = labels["train"].cast_column("audio", datasets.Audio(decode=False))
    assert raw[0]["audio"]["bytes"][:4] == b"RIFF"
    answers = datasets.load_dataset(folder, "annotations", split="train", cache_dir=cache)
    assert answers["annotator"][:2] == ["annotator", "operator"]
    assert answers["intensity_joy"][4] == 0.25
    decisions = datasets.load_dataset(folder, "adjudications", split="train", cache_dir=cache)
    assert decisions["reason"][:] == ["heard it twice"]


def test_label_studios_json_has_a_task_a_clip_with_what_holds_and_the_guess(written):
    tasks = json.loads(written("label_studio").read_text())
    assert [len(task["annotations"]) for task in tasks] == [2, 3, 0, 2, 2, 0, 0]
    (prediction,) = tasks[0]["predictions"]
    assert (prediction["score"], prediction["result"][0]["value"]) == (0.7, {"choices": ["anger"]})
    assert [answer["ground_truth"] for answer in tasks[1]["annotations"]] == [False, False, True]
    assert tasks[3]["annotations"][0]["was_cancelled"] is True
    first = tasks[0]["annotations"][0]["result"][0]
    assert first["value"] == {"choices": ["happiness"]}
    assert first["meta"]["afterloop"]["annotator"] == "annotator"


FORMATS = ["jsonl", "csv", "label_studio", "parquet", "audformat", "datasets"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_content_has_the_same_digest_and_other_content_another(api, settings, storied, format):
    storage = Storage(settings.blobs)

    def digest() -> str:
        return snapshots.build(api.db, storage, storied, format, "annotations").sha256

    first = digest()
    assert digest() == first
    with api.db.write() as session:
        newest = session.scalars(select(Annotation).order_by(Annotation.id.desc()).limit(1)).one()
        values = {column.name: getattr(newest, column.name) for column in Annotation.__table__.columns}
        asked = Assignment(project_id=storied, clip_id=newest.clip_id, slot=0, position=0, state="done",
                           account_id=newest.account_id, kind="again")  # fmt: skip
        session.add(asked)
        session.flush()
        more = {"id": None, "idempotency_key": "new", "kind": "again", "assignment_id": asked.id, "label": "joy"}
        session.add(Annotation(**(values | more)))
    assert digest() != first


@pytest.mark.parametrize("format", ["parquet", "label_studio"])
def test_an_export_is_asked_for_written_by_a_job_and_served_for_ever(api, settings, storied, format):
    asked = api.post(f"/projects/{storied}/exports", json={"format": format})
    assert asked.status_code == 202
    receipt = asked.json()
    assert (receipt["state"], receipt["digest"]) == ("queued", None)
    early = api.get(f"/exports/{receipt['id']}")
    assert (early.status_code, early.json()["type"]) == (409, "urn:afterloop:not_ready")
    _run_jobs(api.db, settings)
    receipt = api.get(f"/exports/{receipt['id']}/receipt").json()
    assert (receipt["state"], receipt["error"]) == ("succeeded", None)
    file = api.get(f"/exports/{receipt['id']}")
    assert file.status_code == 200
    assert Storage(settings.blobs).path(receipt["digest"]).read_bytes() == file.content
    assert file.headers["etag"] == f'"{receipt["digest"]}"'
    part = api.get(f"/exports/{receipt['id']}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, file.content[10:20])
    with api.db.write() as session:
        session.execute(update(Annotation).values(comment="changed"))
    assert api.get(f"/exports/{receipt['id']}").content == file.content
    again = api.post(f"/projects/{storied}/exports", json={"format": format}).json()["id"]
    _run_jobs(api.db, settings)
    listed = api.get(f"/projects/{storied}/exports").json()["items"]
    assert [row["id"] for row in listed] == [receipt["id"], again]
    assert listed[0]["digest"] != listed[1]["digest"]


def _run_jobs(database: Database, settings: Any) -> None:
    while True:
        with database.write() as session:
            session.execute(update(queue.Job).where(queue.Job.kind == "embed").values(state="succeeded"))
            claim = queue.claim(session, "test", 60, now=utcnow())
        if claim is None:
            return
        run_job(settings, database, claim)


def test_an_export_that_failed_says_why(api, settings, storied):
    export_id = api.post(f"/projects/{storied}/exports", json={"format": "datasets", "audio": True}).json()["id"]
    with api.db.read() as session:
        for sha256 in session.scalars(select(Clip.playback_sha256)):
            Storage(settings.blobs).path(sha256).unlink(missing_ok=True)
    _run_jobs(api.db, settings)
    receipt = api.get(f"/exports/{export_id}/receipt").json()
    assert receipt["state"] == "failed"
    assert receipt["error"]
    assert api.get(f"/exports/{export_id}").status_code == 409


@pytest.mark.parametrize(
    "body", [{"format": "xml"}, {}, {"format": "csv", "audio": True}, {"format": "csv", "what": "x"}]
)
def test_an_export_that_cannot_be_is_refused(api, body):
    assert api.post(f"/projects/{api.project()}/exports", json=body).status_code == 422


def test_exports_are_the_operators(api, storied):
    for role in ("viewer", "annotator"):
        assert api.post(f"/projects/{storied}/exports", role, json={"format": "csv"}).status_code == 403
        assert api.get("/exports/1", role).status_code == 403
    assert api.get("/exports/999").status_code == 404
    assert api.post("/projects/999/exports", json={"format": "csv"}).status_code == 404


def test_an_empty_project_exports_in_every_format(api, settings):
    project_id = api.project()
    for format in FORMATS:
        assert snapshots.build(api.db, Storage(settings.blobs), project_id, format, "annotations").n == 0


def test_a_snapshot_sees_one_moment_only(api, settings, storied):
    """An answer that is committed while an export is written is in none of its pages."""
    from app.exports.source import frozen

    with frozen(api.db, storied, None) as source:
        rows = source.rows("annotations")
        before = [next(rows)]
        with api.db.write() as session:
            newest = session.scalars(select(Annotation).order_by(Annotation.id.desc()).limit(1)).one()
            values = {column.name: getattr(newest, column.name) for column in Annotation.__table__.columns}
            session.add(Annotation(**(values | {"id": None, "idempotency_key": "late", "kind": "again"})))
        assert len(before + list(rows)) == 11
        assert sum(1 for _ in source.rows("annotations")) == 11
    with frozen(api.db, storied, None) as source:
        assert sum(1 for _ in source.rows("annotations")) == 12


BUILD = """
import re, sys
from pathlib import Path
from app.db import Database
from app.exports import snapshots, formats, tables, hugging_face, audformat  # what is imported is no part of the bound
from app.storage import Storage
url, blobs, project, format = sys.argv[1:]
def kb(name): return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
db, storage = Database(url), Storage(Path(blobs))
snapshots.build(db, storage, int(project) + 1, format, "annotations")  # a project of one answer: everything is warm
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = kb("VmRSS")
written = snapshots.build(db, storage, int(project), format, "annotations")
print(written.n, kb("VmHWM") - before)
"""


CLIPS = 6_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory")
@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_thirty_thousand_answers_need_the_memory_of_one_page(large, tmp_path, format):
    url, project_id = large
    command = [sys.executable, "-c", BUILD, url, str(tmp_path / "blobs"), str(project_id), format]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    n, grown_kb = int(told[0]), int(told[1])
    assert n >= CLIPS
    # All rows at once would take 33,000 kB; a row group of Arrow's takes as much.
    limit_kb = 62_000 if format in ("parquet", "datasets") else 30_000
    assert grown_kb < limit_kb, f"{format} grew by {grown_kb} kB"


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> tuple[str, int]:
    """6,000 clips with five answers each, on SQLite."""
    from app.migrating import upgrade

    url = f"sqlite:///{tmp_path_factory.mktemp('large') / 'afterloop.db'}"
    upgrade(url)
    database, now = Database(url), utcnow()
    with database.write() as session:
        scheme = Scheme(("anger", "happiness", "neutral", "sadness"))
        project_id = create_project(session, name="large", scheme=scheme, encoder="none", now=now).id
        small = create_project(session, name="small", scheme=scheme, encoder="none", now=now).id
        session.execute(insert(Account), [
            {"name": f"a{i}", "role": Role.ANNOTATOR, "token_sha256": f"{i:064}", "created_at": now} for i in range(5)
        ])  # fmt: skip
        digests = [f"{i:064x}" for i in range(CLIPS)]
        asset = {"size_bytes": 1, "media_type": "audio/wav", "duration_s": 2.0, "created_at": now}
        session.execute(insert(Asset), [{"sha256": digest} | asset for digest in digests])
        clip = {"project_id": project_id, "start_s": 0, "end_s": 2, "playback_type": "audio/wav", "split": "train",
                "peaks": [0.5] * 200, "created_at": now, "speaker": "s", "text": "Komm bitte herein. " * 5}  # fmt: skip
        session.execute(
            insert(Clip), [clip | {"asset_sha256": d, "playback_sha256": d, "external_id": d} for d in digests]
        )
        asked = {"project_id": project_id, "slot": 0, "position": 0, "state": "done", "fence": 1}
        pairs = [(clip_id, account) for clip_id in range(1, CLIPS + 1) for account in range(1, 6)]
        session.execute(insert(Assignment), [asked | {"clip_id": c, "account_id": a, "slot": a} for c, a in pairs])
        event = {"project_id": project_id, "fence": 1, "comment": "a comment of some length, as people write them",
                 "seconds": 3.5, "created_at": now}  # fmt: skip
        session.execute(insert(Annotation), [
            event | {"clip_id": c, "account_id": a, "assignment_id": i + 1, "idempotency_key": f"{c}-{a}",
                     "label": ("anger", "happiness", "neutral", "sadness")[(c + a // 3) % 4]}
            for i, (c, a) in enumerate(pairs)
        ])  # fmt: skip
        session.execute(
            insert(Clip), [clip | {"project_id": small, "asset_sha256": digests[0], "playback_sha256": "0"}]
        )
        session.execute(insert(Assignment), [asked | {"project_id": small, "clip_id": CLIPS + 1, "account_id": 1}])
        one = {"clip_id": CLIPS + 1, "account_id": 1, "assignment_id": len(pairs) + 1, "idempotency_key": "one"}
        session.execute(insert(Annotation), [event | one | {"project_id": small, "label": "anger"}])
    database.dispose()
    return url, project_id


def test_the_web_process_imports_no_arrow():
    code = "import sys, app.main; print([name for name in ('pyarrow', 'pandas', 'datasets') if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
