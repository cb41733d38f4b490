"""Exports: annotations with who and when, labels with what they rest on."""

import csv
import io
import json

import pytest

from app.db import Database, utcnow
from app.exports import records, verdicts
from app.models import Annotation, Assignment, AssignmentState, Round, RoundState


def _annotate(database: Database, project_id: int, answers: list[tuple[int, int, str | None]]) -> None:
    """Answers (clip, account, label); None is a skip."""
    now = utcnow()
    with database.write() as session:
        opened = Round(
            project_id=project_id, number=0, state=RoundState.ANNOTATING, strategy={}, recipe={}, seed=0,
            batch_size=1, control_size=0, overlap=1, created_at=now,
        )  # fmt: skip
        session.add(opened)
        session.flush()
        for slot, (clip_id, account_id, label) in enumerate(answers):
            asked = Assignment(
                project_id=project_id, round_id=opened.id, clip_id=clip_id, slot=slot, position=slot,
                state=AssignmentState.DONE, account_id=account_id,
            )  # fmt: skip
            session.add(asked)
            session.flush()
            session.add(
                Annotation(
                    project_id=project_id, clip_id=clip_id, assignment_id=asked.id, account_id=account_id, fence=1,
                    label=label, skip_reason=None if label else "unsure", comment="ängstlich, \"leise\"\n",
                    seconds=2.5, idempotency_key=str(slot), created_at=now,
                )
            )  # fmt: skip


@pytest.fixture
def project(api, wav_bytes) -> int:
    """A project with an agreed, a disputed, a skipped and an imported clip."""
    project_id = api.project()
    clips = [api.upload(project_id, wav_bytes(seed=seed), external_id=f"c{seed}").json()["id"] for seed in range(3)]
    api.upload(project_id, wav_bytes(seed=3), external_id="c3", split="test", label="sadness")
    answers = [(clips[0], 2, "anger"), (clips[0], 3, "anger"), (clips[1], 2, "anger"), (clips[1], 3, "neutral"),
               (clips[2], 2, None)]  # fmt: skip
    _annotate(api.db, project_id, answers)
    return project_id


def _rows(api, project_id: int, **query: str) -> list[dict]:
    answer = api.get(f"/projects/{project_id}/export", params=query)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_every_answer_is_exported_with_its_annotator_and_time(api, project):
    rows = _rows(api, project)
    assert [(row["external_id"], row["annotator"], row["annotation"], row["skip_reason"]) for row in rows] == [
        ("c0", "annotator", "anger", None),
        ("c0", "operator", "anger", None),
        ("c1", "annotator", "anger", None),
        ("c1", "operator", "neutral", None),
        ("c2", "annotator", None, "unsure"),
    ]
    assert all(row["annotated_at"].endswith("+00:00") for row in rows)


def test_labels_are_what_answers_agree_on_and_say_where_they_come_from(api, project):
    rows = _rows(api, project, what="labels")
    assert [(row["external_id"], row["label"], row["source"], row["n_answers"]) for row in rows] == [
        ("c0", "anger", "annotations", 2),
        ("c1", None, "annotations", 2),
        ("c3", "sadness", "import", 0),
    ]
    assert rows[1]["distribution"] == {"anger": 0.5, "happiness": 0, "neutral": 0.5, "sadness": 0}


@pytest.mark.parametrize("what", ["annotations", "labels"])
def test_csv_holds_the_same_rows_as_json_lines(api, project, what):
    answer = api.get(f"/projects/{project}/export?what={what}&format=csv")
    table = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    plain = _rows(api, project, what=what)
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["clip_id"] for row in table] == [str(row["clip_id"]) for row in plain]
    assert table[0].keys() == plain[0].keys()
    if what == "annotations":
        assert table[0]["comment"] == plain[0]["comment"] == 'ängstlich, "leise"\n'
    else:
        assert json.loads(table[1]["distribution"]) == plain[1]["distribution"]


def test_a_long_export_is_read_in_several_short_reads(api, project, monkeypatch):
    whole = _rows(api, project, what="labels")
    monkeypatch.setattr(records, "CLIPS_A_READ", 1)
    monkeypatch.setattr(verdicts, "CLIPS_A_READ", 1)
    assert _rows(api, project, what="labels") == whole


def test_an_empty_csv_still_has_its_header(api):
    answer = api.get(f"/projects/{api.project()}/export?format=csv")
    assert answer.text.startswith("clip_id,external_id,")


def test_exporting_no_project_is_not_found(api):
    assert api.get("/projects/999/export").status_code == 404


@pytest.mark.parametrize("query", ["what=all", "format=xml"])
def test_an_unknown_kind_of_export_is_malformed(api, query):
    assert api.get(f"/projects/{api.project()}/export?{query}").status_code == 422
