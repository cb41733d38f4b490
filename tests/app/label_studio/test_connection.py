"""A connection to Label Studio: who may call, and what an operator starts over HTTP."""

import httpx
from sqlalchemy import select

from app.label_studio.service import SECRET_HEADER
from app.models import Clip, Job, LabelStudioLink
from tests.app.label_studio.conftest import TOKEN, World


def test_calls_without_our_secret_are_refused(world: World):
    link = world.connect()
    url, told = f"{world.our_url}/api/v1/label-studio/{link.id}/events", {"action": "ANNOTATION_CREATED"}
    assert httpx.post(url, json=told, headers={SECRET_HEADER: "guess"}).status_code == 403
    assert httpx.post(url, json=told).status_code == 401
    assert (
        httpx.post(
            f"{world.our_url}/api/v1/label-studio/99/events", json=told, headers={SECRET_HEADER: "x"}
        ).status_code
        == 404
    )
    other = httpx.post(url, json={"action": "TASKS_DELETED"}, headers={SECRET_HEADER: link.secret})
    assert (other.status_code, other.json()["created"]) == (200, 0)


def test_somebody_label_studio_added_meanwhile_is_asked_for_by_a_pull(world: World):
    link = world.connect()
    told = {"action": "ANNOTATION_CREATED", "annotation": {"completed_by": 4711, "result": []}, "task": {"data": {}}}
    url = f"{world.our_url}/api/v1/label-studio/{link.id}/events"
    for _ in range(2):
        assert httpx.post(url, json=told, headers={SECRET_HEADER: link.secret}).json()["pulled"]
    with world.db.read() as session:
        assert [job.payload for job in session.scalars(select(Job).where(Job.kind == "label_studio"))] == [
            {"do": "pull"}
        ]


def test_connecting_over_http_pushes_and_pulls_by_jobs(world: World):
    path = f"{world.our_url}/api/v1/projects/{world.project_id}/label-studio"
    assert httpx.get(path, headers=world.operator).status_code == 404
    body = {"url": world.studio, "token": TOKEN, "our_url": world.our_url}
    made = httpx.post(path, json=body, headers=world.operator)
    assert made.status_code == 201
    assert "token" not in made.json()
    assert httpx.post(path, json=body, headers=world.operator).status_code == 409
    for do in ("push", "pull"):
        job = httpx.post(f"{path}/{do}", headers=world.operator)
        assert (job.status_code, job.json()["kind"], job.json()["payload"]) == (202, "label_studio", {"do": do})
    assert httpx.delete(path, headers=world.operator).status_code == 204
    refused = httpx.post(path, json=body | {"token": "x" * 40}, headers=world.operator)
    assert (refused.status_code, refused.json()["type"]) == (502, "urn:afterloop:label_studio")
    with world.db.read() as session:
        assert session.scalars(select(LabelStudioLink)).all() == []
        assert session.scalars(select(Clip.id)).all() == world.clip_ids


def test_a_private_address_needs_the_setting(api):
    body = {"url": "http://127.0.0.1:1", "token": TOKEN, "our_url": "http://127.0.0.1:2"}
    refused = api.post(f"/projects/{api.project()}/label-studio", json=body)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:afterloop:address_refused")
