"""Checkpoints: which one is in use, and what an adapted encoder changes."""

from typing import Any

import pytest

from app.checkpoints import service
from app.db import utcnow
from app.models import Checkpoint


def _checkpoint(api: Any, project: int, name: str, kind: str = "classifier") -> int:
    with api.db.write() as session:
        checkpoint = Checkpoint(
            project_id=project,
            arm="strategy" if kind == "classifier" else None,
            kind=kind,
            folder=name,
            encoder_digest="0" * 64,
            recipe={},
            report={},
            created_at=utcnow(),
        )
        session.add(checkpoint)
        session.flush()
        return checkpoint.id


def _promoted(api: Any, project: int) -> list[int]:
    items = api.get("/checkpoints", "viewer", params={"project_id": project}).json()["items"]
    return [item["id"] for item in items if item["promoted_at"]]


def test_one_classifier_of_a_project_is_promoted_at_a_time(api: Any) -> None:
    project, other = api.project("one"), api.project("two")
    first, second, elsewhere = (_checkpoint(api, p, f"c{i}") for i, p in enumerate([project, project, other]))
    for checkpoint in (first, elsewhere, second, second):
        assert api.post(f"/checkpoints/{checkpoint}/promote").status_code == 200
    assert (_promoted(api, project), _promoted(api, other)) == ([second], [elsewhere])


def test_the_first_classifier_is_promoted_by_itself_and_later_ones_are_not(api: Any) -> None:
    project = api.project()
    first, second = _checkpoint(api, project, "c1"), _checkpoint(api, project, "c2")
    for checkpoint in (first, second):
        with api.db.write() as session:
            service.promote_first(session, project, checkpoint, now=utcnow())
    assert _promoted(api, project) == [first]


def test_a_promoted_encoder_serves_the_project_and_its_clips_are_embedded_again(api: Any) -> None:
    project = api.project()
    encoder = _checkpoint(api, project, "e", "encoder")
    classifier = _checkpoint(api, project, "c")
    api.post(f"/checkpoints/{classifier}/promote")
    for _ in range(2):
        assert api.post(f"/checkpoints/{encoder}/promote").json()["promoted_at"] is None
    assert api.get(f"/projects/{project}").json()["encoder_checkpoint_id"] == encoder
    assert api.call("DELETE", f"/projects/{project}/tapt").status_code == 204
    assert api.get(f"/projects/{project}").json()["encoder_checkpoint_id"] is None
    assert [job["kind"] for job in api.get("/jobs").json()["items"]] == ["embed"]
    assert _promoted(api, project) == [classifier]


def test_checkpoints_are_listed_by_project_and_read_by_id(api: Any) -> None:
    one, two = api.project("one"), api.project("two")
    mine, _ = _checkpoint(api, one, "a"), _checkpoint(api, two, "b")
    assert [item["id"] for item in api.get("/checkpoints", params={"project_id": one}).json()["items"]] == [mine]
    assert len(api.get("/checkpoints").json()["items"]) == 2
    assert api.get(f"/checkpoints/{mine}", "viewer").json()["folder"] == "a"


def test_checkpoints_that_do_not_exist_and_callers_who_may_not(api: Any) -> None:
    mine = _checkpoint(api, api.project(), "a")
    assert api.get("/checkpoints/999").status_code == 404
    assert api.post("/checkpoints/999/promote").status_code == 404
    assert api.get("/checkpoints", params={"project_id": 999}).status_code == 404
    assert api.post(f"/checkpoints/{mine}/promote", "annotator").status_code == 403


def test_an_examination_is_queued_for_clips_with_a_known_answer(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    checkpoint = _checkpoint(api, project, "a")
    path = f"/checkpoints/{checkpoint}/evaluations"
    refused = api.post(path, json={})
    assert (refused.status_code, "no test clip has a reference label" in refused.json()["detail"]) == (409, True)
    api.upload(project, wav_bytes(), split="test", speaker="t", label="anger")
    answer = api.post(path, json={"split": "test", "snr_db": [20, 0]})
    assert (answer.status_code, answer.json()["kind"]) == (202, "examine")
    assert answer.json()["payload"] == {
        "checkpoint_id": checkpoint,
        "split": "test",
        "snr_db": [20, 0],
        "recordings": False,
    }
    by_default = api.post(path, json={}).json()["payload"]
    assert (by_default["split"], by_default["snr_db"]) == ("test", [20, 10, 5, 0])
    assert api.post(path, "annotator", json={}).status_code == 403
    assert api.post("/checkpoints/999/evaluations", json={}).status_code == 404
    encoder = _checkpoint(api, project, "e", "encoder")
    refused = api.post(f"/checkpoints/{encoder}/evaluations", json={})
    assert (refused.status_code, "only a classifier" in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"split": "train"}, "'dev' or 'test'"),
        ({"snr_db": [10, 10]}, "a ratio is named twice"),
        ({"snr_db": [100]}, "less than or equal to 60"),
        ({"snr_db": list(range(11))}, "at most 10 items"),
        ({"noise": "rain"}, "'white' or 'recordings'"),
        ({"noise": "recordings"}, "AFTERLOOP_NOISE"),
    ],
)
def test_an_examination_that_cannot_be_is_refused_by_name(api: Any, body: dict[str, Any], says: str) -> None:
    checkpoint = _checkpoint(api, api.project(), "a")
    answer = api.post(f"/checkpoints/{checkpoint}/evaluations", json=body)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
