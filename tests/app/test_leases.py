"""Leases over HTTP: who holds which clip, what an answer does, and what happens when it comes late or twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.accounts.service import create_account
from app.annotations import service
from app.annotations.leases import LeaseId
from app.db import utcnow
from app.models import Annotation, Assignment, Job, Role, Round

OTHER = "bob"


@pytest.fixture
def people(api: Any) -> Callable[[str], dict[str, str]]:
    """Headers of a new annotator."""

    def join(name: str) -> dict[str, str]:
        with api.db.write() as session:
            _, token = create_account(session, name, Role.ANNOTATOR, utcnow())
        return {"Authorization": f"Bearer {token}"}

    return join


def _lease(api: Any, project_id: int, headers: dict[str, str] | None = None, count: int = 1) -> dict[str, Any]:
    role = "annotator" if headers is None else None
    answer = api.post(f"/projects/{project_id}/leases", role, json={"count": count}, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _answer(api: Any, lease: dict[str, Any], key: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    role = "annotator" if headers is None else None
    sent = {"Idempotency-Key": key, **(headers or {})}
    return api.post(f"/leases/{lease['lease_id']}/annotation", role, json={"label": "anger"} | body, headers=sent)


def _skip(api: Any, lease: dict[str, Any], reason: str, headers: dict[str, str] | None = None) -> Any:
    role = "annotator" if headers is None else None
    return api.post(f"/leases/{lease['lease_id']}/skip", role, json={"reason": reason}, headers=headers or {})


def _expire(api: Any) -> None:
    with api.db.write() as session:
        past = utcnow() - timedelta(seconds=1)
        session.execute(update(Assignment).where(Assignment.state == "leased").values(expires_at=past))


def test_a_lease_holds_what_the_page_needs_and_nothing_that_would_tell_the_answer(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=2)
    answer = _lease(api, made.project_id)
    lease = answer["leases"][0]
    assert answer["round"] == {"id": made.round_id, "number": 0, "state": "annotating"}
    assert answer["remaining"] == 2
    assert set(lease) == {"lease_id", "expires_at", "clip_id", "audio_url", "duration_s", "peaks", "guess"}
    assert lease["guess"] is None
    assert lease["clip_id"] == made.clip_ids[0]
    assert lease["audio_url"] == f"/api/v1/clips/{lease['clip_id']}/audio"
    assert lease["duration_s"] == 1.5


def test_two_annotators_never_hold_one_clip(api: Any, annotating: Any, people: Any) -> None:
    made = annotating(api.db, clips=4)
    mine = _lease(api, made.project_id, count=3)["leases"]
    theirs = _lease(api, made.project_id, people(OTHER), count=3)["leases"]
    assert [lease["clip_id"] for lease in mine + theirs] == made.clip_ids


def test_with_overlap_every_clip_goes_to_different_people(api: Any, annotating: Any, people: Any) -> None:
    made = annotating(api.db, clips=3, overlap=2)
    everybody = [people(name) for name in ("a", "b", "c")]
    held = [{lease["clip_id"] for lease in _lease(api, made.project_id, one, 20)["leases"]} for one in everybody]
    assert held == [set(made.clip_ids), set(made.clip_ids), set()]


def test_nothing_left_for_me_is_an_empty_list_with_the_rounds_state(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=1, overlap=2)
    _answer(api, _lease(api, made.project_id)["leases"][0], "k")
    answer = _lease(api, made.project_id)
    assert (answer["leases"], answer["round"]["state"], answer["remaining"]) == ([], "annotating", 1)


def test_a_project_without_a_round_has_nothing_to_lease(api: Any) -> None:
    assert _lease(api, api.project()) == {"leases": [], "round": None, "remaining": 0, "qualification": None}


def test_an_expired_lease_goes_to_somebody_else_and_the_late_answer_is_refused(
    api: Any, annotating: Any, people: Any
) -> None:
    made = annotating(api.db, clips=1)
    mine = _lease(api, made.project_id)["leases"][0]
    _expire(api)
    theirs = _lease(api, made.project_id, people(OTHER))["leases"][0]
    assert theirs["clip_id"] == mine["clip_id"]
    late = _answer(api, mine, "late")
    assert late.status_code == 409
    assert late.json()["title"] == "lease lost"
    assert api.post(f"/leases/{mine['lease_id']}/heartbeat", "annotator").status_code == 409


def test_an_answer_on_an_expired_lease_nobody_took_is_accepted(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=1)
    lease = _lease(api, made.project_id)["leases"][0]
    _expire(api)
    assert _answer(api, lease, "k").status_code == 201


def test_a_heartbeat_keeps_a_lease(api: Any, annotating: Any, people: Any) -> None:
    made = annotating(api.db, clips=1)
    lease = _lease(api, made.project_id)["leases"][0]
    _expire(api)
    beat = api.post(f"/leases/{lease['lease_id']}/heartbeat", "annotator")
    assert beat.json()["lease_id"] == lease["lease_id"]
    assert beat.json()["expires_at"] > lease["expires_at"]
    assert _lease(api, made.project_id, people(OTHER))["leases"] == []


def test_a_released_clip_is_free_for_everybody(api: Any, annotating: Any, people: Any) -> None:
    made = annotating(api.db, clips=1)
    lease = _lease(api, made.project_id)["leases"][0]
    assert api.post(f"/leases/{lease['lease_id']}/release", "annotator").status_code == 204
    assert _lease(api, made.project_id, people(OTHER))["leases"][0]["clip_id"] == lease["clip_id"]


def test_a_lease_belongs_to_its_annotator(api: Any, annotating: Any, people: Any) -> None:
    lease = _lease(api, annotating(api.db).project_id)["leases"][0]
    other = people(OTHER)
    assert _answer(api, lease, "k", other).status_code == 409
    assert _skip(api, lease, "unsure", other).status_code == 409
    assert api.post(f"/leases/{lease['lease_id']}/release", None, headers=other).status_code == 409


def test_a_repeated_key_returns_the_first_answer_and_stores_one(api: Any, annotating: Any) -> None:
    made = annotating(api.db)
    lease = _lease(api, made.project_id)["leases"][0]
    first = _answer(api, lease, "k", comment="clear", seconds=2.5)
    again = _answer(api, lease, "k", comment="clear", seconds=2.5)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    with api.db.read() as session:
        assert len(session.scalars(select(Annotation)).all()) == 1


def test_a_key_used_for_another_answer_is_a_conflict(api: Any, annotating: Any) -> None:
    made = annotating(api.db)
    one, two = _lease(api, made.project_id, count=2)["leases"]
    _answer(api, one, "k")
    assert _answer(api, one, "k", label="neutral").status_code == 409
    assert _answer(api, two, "k").status_code == 409
    assert _answer(api, two, "k2").status_code == 201


def test_a_second_answer_to_one_lease_is_refused(api: Any, annotating: Any) -> None:
    lease = _lease(api, annotating(api.db).project_id)["leases"][0]
    assert _answer(api, lease, "k1").status_code == 201
    assert _answer(api, lease, "k2").status_code == 409


@pytest.mark.parametrize("reason", ["bad_audio", "not_speech"])
def test_a_clip_that_is_no_use_is_out_for_everybody(api: Any, annotating: Any, people: Any, reason: str) -> None:
    made = annotating(api.db, clips=2, overlap=2)
    lease = _lease(api, made.project_id)["leases"][0]
    assert _skip(api, lease, reason).status_code == 201
    theirs = _lease(api, made.project_id, people(OTHER), count=20)["leases"]
    assert [one["clip_id"] for one in theirs] == made.clip_ids[1:]


@pytest.mark.parametrize("reason", ["several_speakers", "unsure"])
def test_a_clip_somebody_cannot_judge_goes_to_somebody_else(
    api: Any, annotating: Any, people: Any, reason: str
) -> None:
    made, other = annotating(api.db, clips=1), people(OTHER)
    lease = _lease(api, made.project_id)["leases"][0]
    assert _skip(api, lease, reason).json()["skip_reason"] == reason
    assert _lease(api, made.project_id)["leases"] == []
    assert _lease(api, made.project_id, other)["leases"][0]["clip_id"] == lease["clip_id"]


def test_a_skip_repeated_is_the_same_skip(api: Any, annotating: Any) -> None:
    lease = _lease(api, annotating(api.db).project_id)["leases"][0]
    assert _skip(api, lease, "unsure").json() == _skip(api, lease, "unsure").json()


def test_the_last_answer_moves_the_round_on_with_one_job(api: Any, annotating: Any, people: Any) -> None:
    made = annotating(api.db, clips=2)
    mine, theirs = _lease(api, made.project_id)["leases"][0], _lease(api, made.project_id, people("b"))["leases"][0]
    assert _answer(api, mine, "k").status_code == 201
    with api.db.read() as session:
        assert session.get_one(Round, made.round_id).state == "annotating"
        their_account = session.scalars(select(Assignment.account_id).where(Assignment.state == "leased")).one()
    with api.db.write() as session:
        given = service.Answer(LeaseId.parse(theirs["lease_id"]), "neutral", None, None, None)
        service.answer(session, given, their_account, "k", now=utcnow())
    with api.db.read() as session:
        assert session.get_one(Round, made.round_id).state == "fine_tuning"
        jobs = session.scalars(select(Job.kind).where(Job.round_id == made.round_id, Job.state == "queued")).all()
    assert jobs == ["fine_tune"]


def test_a_round_whose_last_clip_is_bad_audio_moves_on_too(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=1, overlap=2)
    _skip(api, _lease(api, made.project_id)["leases"][0], "bad_audio")
    assert api.get(f"/rounds/{made.round_id}").json()["state"] == "fine_tuning"


def test_an_answer_outside_the_scheme_is_refused_and_the_lease_kept(api: Any, annotating: Any) -> None:
    lease = _lease(api, annotating(api.db).project_id)["leases"][0]
    refused = _answer(api, lease, "k", label="rage")
    assert refused.status_code == 422
    assert "anger, happiness, neutral, sadness" in refused.json()["detail"]
    assert _answer(api, lease, "k").status_code == 201


def test_malformed_requests_are_refused_by_name(api: Any, annotating: Any) -> None:
    made = annotating(api.db)
    lease = _lease(api, made.project_id)["leases"][0]
    path = f"/leases/{lease['lease_id']}/annotation"
    assert api.post(path, "annotator", json={"label": "anger"}).json()["fields"][0]["field"] == "header.Idempotency-Key"
    assert _answer(api, lease, "k", seconds=-1).status_code == 422
    assert _answer(api, lease, "k", extra=1).status_code == 422
    assert _answer(api, {"lease_id": "nonsense"}, "k").status_code == 422
    assert _answer(api, {"lease_id": "999999.1"}, "k").status_code == 404
    assert _answer(api, {"lease_id": lease["lease_id"].split(".")[0] + ".7"}, "k").status_code == 404
    assert api.post(f"/projects/{made.project_id}/leases", "annotator", json={"count": 21}).status_code == 422
    assert api.post("/projects/999999/leases", "annotator", json={}).status_code == 404


def test_viewers_do_not_annotate(api: Any, annotating: Any) -> None:
    made = annotating(api.db)
    assert api.post(f"/projects/{made.project_id}/leases", "viewer", json={}).status_code == 403
    assert api.post(f"/projects/{made.project_id}/leases", None, json={}).status_code == 401


def test_progress_counts_clips_answers_and_people(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=4)
    first, second, _ = _lease(api, made.project_id, count=3)["leases"]
    _answer(api, first, "k", seconds=2.0)
    _skip(api, second, "bad_audio")
    progress = api.get(f"/projects/{made.project_id}/progress", "viewer").json()
    assert progress["clips"] == {"train": 4, "dev": 0, "test": 0}
    assert progress["labelled"] == 1
    assert {name: progress["round"][name] for name in ("wanted", "done", "leased", "out")} == {
        "wanted": 4,
        "done": 1,
        "leased": 1,
        "out": 1,
    }
    assert [(one["annotations"], one["skipped"], one["seconds"]) for one in progress["annotators"]] == [(1, 1, 2.0)]
