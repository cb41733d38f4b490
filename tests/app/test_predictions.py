"""Asking a checkpoint for predictions."""

import pytest

from app.db import utcnow
from app.models import Checkpoint, Job, JobState


def _checkpoint(api, project_id: int, kind: str = "classifier", promoted: bool = False) -> int:
    now = utcnow()
    with api.db.write() as session:
        row = Checkpoint(
            project_id=project_id,
            kind=kind,
            folder=f"checkpoints/{project_id}-{kind}-{promoted}",
            encoder_digest="0" * 64,
            recipe={},
            report={},
            promoted_at=now if promoted else None,
            created_at=now,
        )
        session.add(row)
        session.flush()
        return row.id


def test_the_promoted_checkpoint_is_asked_unless_another_is_named(api):
    project = api.project()
    other, promoted = _checkpoint(api, project), _checkpoint(api, project, promoted=True)
    by_default = api.post(f"/projects/{project}/predictions", json={})
    by_name = api.post(f"/projects/{project}/predictions", json={"checkpoint_id": other, "split": "train"})
    assert by_default.status_code == by_name.status_code == 202
    assert by_default.json()["kind"] == "predict"
    assert by_default.json()["payload"] == {"checkpoint_id": promoted, "split": None}
    assert by_name.json()["payload"] == {"checkpoint_id": other, "split": "train"}


def test_without_a_promoted_checkpoint_the_request_says_what_to_do(api):
    answer = api.post(f"/projects/{api.project()}/predictions", json={})
    assert answer.status_code == 409
    assert "finish a round" in answer.json()["detail"]


def test_only_a_classifier_of_the_project_predicts(api):
    one, two = api.project("one"), api.project("two")
    for checkpoint in (_checkpoint(api, two), _checkpoint(api, one, kind="encoder")):
        answer = api.post(f"/projects/{one}/predictions", json={"checkpoint_id": checkpoint})
        assert answer.status_code == 422
        assert "no classifier of project" in answer.json()["detail"]
    assert api.post(f"/projects/{one}/predictions", json={"checkpoint_id": 999}).status_code == 404
    assert api.post("/projects/999/predictions", json={}).status_code == 404


def test_predictions_are_fetched_when_their_job_has_succeeded(api, settings):
    project = api.project()
    _checkpoint(api, project, promoted=True)
    job_id = api.post(f"/projects/{project}/predictions", json={}).json()["id"]
    address = f"/projects/{project}/predictions/{job_id}"
    assert api.get(address).status_code == 409
    file = settings.data / "predictions" / "1-1.csv"
    file.parent.mkdir(parents=True)
    file.write_text("clip_id,label\n1,anger\n")
    with api.db.write() as session:
        job = session.get_one(Job, job_id)
        job.state, job.result = JobState.SUCCEEDED, {"file": "predictions/1-1.csv"}
    answer = api.get(address)
    assert (answer.status_code, answer.text) == (200, "clip_id,label\n1,anger\n")
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("project_id", [1, 999])
def test_a_job_that_predicts_nothing_has_no_predictions(api, wav_bytes, project_id):
    project = api.project()
    api.upload(project, wav_bytes())
    with api.db.read() as session:
        embed = session.query(Job).one().id
    assert api.get(f"/projects/{project_id}/predictions/{embed}").status_code == 404
