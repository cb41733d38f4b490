"""Jobs over HTTP: lists, cancellation, TAPT requests and server-sent events."""

import json
from typing import Any

from app.db import utcnow
from app.jobs import queue
from app.models import JobState


def _job(api: Any, project: int, kind: queue.Kind = "predict") -> int:
    with api.db.write() as session:
        return queue.enqueue(session, kind, project, now=utcnow()).id


def _claim(api: Any) -> queue.Claim:
    with api.db.write() as session:
        claim = queue.claim(session, "w", 60, now=utcnow())
    assert claim is not None
    return claim


def _events(answer: Any) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for block in answer.text.strip().split("\n\n"):
        id_line, event, data = block.split("\n")
        found.append((int(id_line.removeprefix("id: ")), event.removeprefix("event: "), json.loads(data[6:])))
    return found


def test_jobs_are_listed_by_project_kind_and_state(api: Any) -> None:
    one, two = api.project("one"), api.project("two")
    first, second, third = _job(api, one), _job(api, one, "embed"), _job(api, two)
    _claim(api)

    def listed(**query: Any) -> list[int]:
        return [job["id"] for job in api.get("/jobs", "viewer", params=query).json()["items"]]

    assert listed() == [first, second, third]
    assert listed(project_id=one) == [first, second]
    assert listed(kind="predict") == [first, third]
    assert listed(project_id=one, state="queued") == [second]
    assert api.get("/jobs", params={"state": "asleep"}).status_code == 422
    assert api.get("/jobs", params={"project_id": 999}).status_code == 404


def test_a_job_shows_its_progress_and_its_error(api: Any) -> None:
    job_id = _job(api, api.project())
    claim = _claim(api)
    with api.db.write() as session:
        queue.report(session, job_id, claim.fence, {"stage": "predict", "done": 1, "total": 2}, now=utcnow())
        queue.fail(session, job_id, claim.fence, "EncoderError", "no weights: copy them", now=utcnow())
    job = api.get(f"/jobs/{job_id}", "viewer").json()
    assert job["progress"] == {"stage": "predict", "done": 1, "total": 2}
    assert (job["state"], job["error"]) == ("failed", {"name": "EncoderError", "detail": "no weights: copy them"})


def test_events_stream_to_the_end_and_resume_after_the_last_one_seen(api: Any) -> None:
    job_id = _job(api, api.project())
    claim = _claim(api)
    with api.db.write() as session:
        for step in (1, 2, 3):
            queue.report(session, job_id, claim.fence, {"stage": "train", "step": step}, now=utcnow())
        queue.finish(session, job_id, claim.fence, {"n": 1}, now=utcnow())
    answer = api.get(f"/jobs/{job_id}/events", "viewer")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = _events(answer)
    assert [(name, report.get("step")) for _, name, report in events] == [
        ("report", 1),
        ("report", 2),
        ("report", 3),
        ("end", None),
    ]
    assert events[-1][2] == {"state": "succeeded", "result": {"n": 1}}
    resumed = api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(events[1][0])})
    assert _events(resumed) == events[2:]
    done = api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(events[-1][0])})
    assert done.status_code == 204


def test_events_of_a_cancelled_job_end(api: Any) -> None:
    job_id = _job(api, api.project())
    api.post(f"/jobs/{job_id}/cancel")
    assert _events(api.get(f"/jobs/{job_id}/events"))[-1][1:] == ("end", {"state": JobState.CANCELLED})


def test_a_malformed_last_event_id_is_refused(api: Any) -> None:
    job_id = _job(api, api.project())
    assert api.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "soon"}).status_code == 422


def test_a_job_is_cancelled_once_and_by_operators(api: Any) -> None:
    job_id = _job(api, api.project())
    assert api.post(f"/jobs/{job_id}/cancel", "annotator").status_code == 403
    assert api.post(f"/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    again = api.post(f"/jobs/{job_id}/cancel")
    assert again.status_code == 409
    assert "cancelled" in again.json()["detail"]


def test_a_running_job_is_asked_to_stop(api: Any) -> None:
    job_id = _job(api, api.project())
    _claim(api)
    job = api.post(f"/jobs/{job_id}/cancel").json()
    assert (job["state"], job["cancel_requested"]) == ("running", True)


def test_a_job_that_made_no_file_has_none_to_give(api: Any) -> None:
    job_id = _job(api, api.project())
    assert api.get(f"/jobs/{job_id}/file").status_code == 404


def test_tapt_is_a_job_on_the_training_clips_there_are_now(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    empty = api.post(f"/projects/{project}/tapt", json={})
    assert empty.status_code == 409
    assert "import audio first" in empty.json()["detail"]
    clip = api.upload(project, wav_bytes()).json()
    asked = api.post(f"/projects/{project}/tapt", json={"recipe": {"steps": 5}})
    assert asked.status_code == 202
    job = asked.json()
    assert (job["kind"], job["payload"]["recipe"]["steps"]) == ("adapt", 5)
    assert job["payload"]["last_clip_id"] == clip["id"]
    assert job["payload"]["guard"]["activate"] == "if_not_worse"


def test_a_malformed_tapt_recipe_is_refused_by_its_field(api: Any) -> None:
    project = api.project()
    refused = api.post(f"/projects/{project}/tapt", json={"recipe": {"steps": 0}})
    assert refused.status_code == 422
    assert "steps is 0: it must be at least 1" in refused.json()["detail"]
    assert api.post(f"/projects/{project}/tapt", "annotator", json={}).status_code == 403


def test_unknown_jobs_are_not_found(api: Any) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("GET", "/file")):
        assert api.call(method, f"/jobs/999{path}").status_code == 404
