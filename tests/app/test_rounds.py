"""Rounds over HTTP: who may do what to a round, and in which state."""

from typing import Any

import pytest
from sqlalchemy import select, update

from app.models import Annotation, Assignment, Job, Project, Round


def _open(api: Any, project_id: int, **body: Any) -> Any:
    return api.post(f"/projects/{project_id}/rounds", json=body)


def _set_state(api: Any, round_id: int, state: str) -> None:
    with api.db.write() as session:
        session.execute(update(Round).where(Round.id == round_id).values(state=state))


def _fail_job(api: Any, round_id: int, kind: str) -> None:
    """As if this job of the round had failed."""
    with api.db.write() as session:
        session.execute(update(Job).where(Job.round_id == round_id).values(kind=kind, state="failed"))
        session.execute(update(Round).where(Round.id == round_id).values(state="failed", error="DiskFullError: full"))


def test_a_round_copies_what_decides_it_and_queues_its_acquisition(api: Any) -> None:
    project = api.project(strategy="badge", batch_size=10, control_share=0.5, overlap=2, seed=7)
    opened = _open(api, project)
    assert opened.status_code == 201
    turn = opened.json()
    assert (turn["number"], turn["state"], turn["strategy"]) == (0, "acquiring", {"kind": "badge"})
    assert (turn["batch_size"], turn["control_size"], turn["overlap"], turn["seed"]) == (10, 5, 2, 7)
    jobs = api.get("/jobs", params={"project_id": project}).json()["items"]
    assert [(job["kind"], job["round_id"]) for job in jobs] == [("acquire", turn["id"])]


def test_a_round_may_differ_from_its_project(api: Any) -> None:
    turn = _open(api, api.project(), strategy="margin", batch_size=3, control_size=2).json()
    assert (turn["strategy"], turn["batch_size"], turn["control_size"]) == ({"kind": "margin"}, 3, 2)


def test_a_second_open_round_is_a_conflict(api: Any) -> None:
    project = api.project()
    _open(api, project)
    refused = _open(api, project)
    assert refused.status_code == 409
    assert "close or cancel it first" in refused.json()["detail"]


def test_a_project_without_budget_left_opens_no_round(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=2)
    lease = api.post(f"/projects/{made.project_id}/leases", "annotator", json={}).json()["leases"][0]
    key = {"Idempotency-Key": "k"}
    api.post(f"/leases/{lease['lease_id']}/annotation", "annotator", json={"label": "anger"}, headers=key)
    api.post(f"/rounds/{made.round_id}/cancel")
    with api.db.write() as session:
        session.execute(update(Project).values(budget=1))
    refused = _open(api, made.project_id)
    assert refused.status_code == 409
    assert "budget of 1 labels is spent" in refused.json()["detail"]


def test_closing_stops_the_waiting_and_fine_tunes_once(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=3)
    lease = api.post(f"/projects/{made.project_id}/leases", "annotator", json={}).json()["leases"][0]
    assert api.post(f"/rounds/{made.round_id}/close").json()["state"] == "fine_tuning"
    assert api.post(f"/rounds/{made.round_id}/close").status_code == 409
    late = api.post(
        f"/leases/{lease['lease_id']}/annotation",
        "annotator",
        json={"label": "anger"},
        headers={"Idempotency-Key": "k"},
    )
    assert late.status_code == 409
    with api.db.read() as session:
        assert set(session.scalars(select(Assignment.state))) == {"out"}
        assert session.scalars(select(Job.kind).where(Job.state == "queued")).all() == ["fine_tune"]


def test_cancelling_ends_the_round_and_its_job_but_keeps_the_answers(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=2)
    lease = api.post(f"/projects/{made.project_id}/leases", "annotator", json={}).json()["leases"][0]
    key = {"Idempotency-Key": "k"}
    api.post(f"/leases/{lease['lease_id']}/annotation", "annotator", json={"label": "anger"}, headers=key)
    cancelled = api.post(f"/rounds/{made.round_id}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    assert api.post(f"/rounds/{made.round_id}/cancel").status_code == 409
    with api.db.read() as session:
        assert len(session.scalars(select(Annotation)).all()) == 1
    nothing = api.post(f"/projects/{made.project_id}/leases", "annotator", json={}).json()
    assert (nothing["leases"], nothing["round"]["state"]) == ([], "cancelled")


def test_cancelling_an_acquiring_round_cancels_its_job(api: Any) -> None:
    turn = _open(api, api.project()).json()
    api.post(f"/rounds/{turn['id']}/cancel")
    jobs = api.get("/jobs").json()["items"]
    assert [job["state"] for job in jobs] == ["cancelled"]


def test_cancelling_a_rounds_job_cancels_the_round(api: Any) -> None:
    turn = _open(api, api.project()).json()
    job = api.get("/jobs").json()["items"][0]
    assert api.post(f"/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert api.get(f"/rounds/{turn['id']}").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("kind", "state"), [("acquire", "acquiring"), ("fine_tune", "fine_tuning"), ("evaluate", "evaluating")]
)
def test_a_failed_round_is_retried_where_it_failed(api: Any, kind: str, state: str) -> None:
    turn = _open(api, api.project()).json()
    _fail_job(api, turn["id"], kind)
    retried = api.post(f"/rounds/{turn['id']}/retry").json()
    assert (retried["state"], retried["error"]) == (state, None)
    jobs = api.get("/jobs", params={"state": "queued"}).json()["items"]
    assert [(job["kind"], job["round_id"]) for job in jobs] == [(kind, turn["id"])]


def test_only_the_newest_round_is_retried_and_only_after_it_failed(api: Any) -> None:
    project = api.project()
    first = _open(api, project).json()
    assert api.post(f"/rounds/{first['id']}/retry").status_code == 409
    _fail_job(api, first["id"], "acquire")
    _open(api, project)
    assert api.post(f"/rounds/{first['id']}/retry").status_code == 409


def test_rounds_are_numbered_from_zero_and_listed_in_order(api: Any) -> None:
    project = api.project()
    for _ in range(2):
        _set_state(api, _open(api, project).json()["id"], "finished")
    assert [turn["number"] for turn in api.get(f"/projects/{project}/rounds", "viewer").json()["items"]] == [0, 1]


def test_receipts_are_hidden_from_annotators_while_the_round_is_open(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=2)
    path = f"/rounds/{made.round_id}"
    assert [pick["rank"] for pick in api.get(path, "operator").json()["picks"]] == [0, 1]
    assert api.get(path, "annotator").json()["picks"] is None
    _set_state(api, made.round_id, "finished")
    assert len(api.get(path, "annotator").json()["picks"]) == 2


def test_rounds_are_the_operators(api: Any) -> None:
    project = api.project()
    path = f"/projects/{project}/rounds"
    assert api.post(path, "annotator", json={}).status_code == 403
    assert api.post(path, None, json={}).status_code == 401
    turn = _open(api, project).json()["id"]
    for verb in ("close", "cancel", "retry"):
        assert api.post(f"/rounds/{turn}/{verb}", "annotator").status_code == 403


def test_what_does_not_exist_or_is_malformed_is_refused_by_name(api: Any) -> None:
    project = api.project()
    assert api.get("/rounds/999").status_code == 404
    assert api.post("/rounds/999/close").status_code == 404
    assert _open(api, 999).status_code == 404
    assert _open(api, project, strategy="clairvoyance").status_code == 422
    assert _open(api, project, batch_size=0).status_code == 422
    assert _open(api, project, sizes=1).status_code == 422
