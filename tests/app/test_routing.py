"""Who does not know? A routed round asks, settles, sends to an adjudicator or accepts, and says why."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from al_core.scheme import Dimension, Scheme
from app.db import Database, utcnow
from app.labels import crowd
from app.labels.deciding import decide
from app.labels.service import of_arm
from app.models import Assignment, Checkpoint, ClipRoute, Guess, Round

FOUR = Scheme(("anger", "happiness", "neutral", "sadness"))
DEAR = {"rule": "routed", "price": 0.5}  # no further answer ever pays
CHEAP = {"rule": "routed", "price": 0.0, "sure": 1.0, "limit": 3}  # every answer pays, up to the limit


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests give a handful of answers at once: what the crowd is like is learned with each."""
    monkeypatch.setattr(crowd, "SHARE", 0)


def _route(db: Database, clip_id: int) -> ClipRoute | None:
    with db.read() as session:
        return session.scalars(select(ClipRoute).where(ClipRoute.clip_id == clip_id)).one_or_none()


def _states(db: Database, clip_id: int) -> list[str]:
    with db.read() as session:
        wanted = select(Assignment.state).where(Assignment.clip_id == clip_id).order_by(Assignment.slot, Assignment.id)
        return list(session.scalars(wanted))


def _guess(db: Database, room: Any, clip_id: int, **probabilities: float) -> None:
    made = {"kind": "classifier", "folder": f"f{clip_id}", "encoder_digest": "e", "recipe": {}, "report": {}}
    with db.write() as session:
        checkpoint = Checkpoint(project_id=room.project_id, created_at=utcnow(), **made)
        session.add(checkpoint)
        session.flush()
        shares = dict.fromkeys(FOUR.classes, 0.0) | probabilities
        label = max(shares, key=lambda name: shares[name])
        session.add(Guess(clip_id=clip_id, checkpoint_id=checkpoint.id, label=label, probabilities=shares))


def _say(people: list[Any], room: Any, *labels: str) -> None:
    for one, label in zip(people, labels, strict=False):
        assert one.say(one.lease(room.project_id)[0], label).status_code == 201


def _together(people: list[Any], room: Any, *labels: str) -> list[int]:
    """They lease the clip at the same time, then answer; the ids of their answers."""
    held = [(one, one.lease(room.project_id)[0], label) for one, label in zip(people, labels, strict=False)]
    return [one.say(lease, label).json()["id"] for one, lease, label in held]


def _people(person: Callable[[str], Any], n: int = 6) -> list[Any]:
    return [person(f"p{i}") for i in range(n)]


def test_one_more_is_asked_while_that_pays_and_never_more_than_the_limit(
    api: Any, annotating: Any, person: Any
) -> None:
    people, room = _people(person), annotating(api.db, clips=1, adaptive=CHEAP)
    _say(people, room, "anger", "neutral", "anger")
    assert people[3].lease(room.project_id) == []
    assert _states(api.db, room.clip_ids[0]) == ["done"] * 3
    with api.db.read() as session:
        assert session.get_one(Round, room.round_id).state == "fine_tuning"


def test_an_answer_sent_twice_asks_one_person_once(api: Any, annotating: Any, person: Any) -> None:
    people, room = _people(person), annotating(api.db, clips=1, adaptive=CHEAP)
    lease = people[0].lease(room.project_id)[0]
    assert [people[0].say(lease, "anger", key="k").status_code for _ in range(3)] == [201] * 3
    assert _states(api.db, room.clip_ids[0]) == ["done", "open"]


def test_nobody_is_asked_about_what_the_model_knows(api: Any, annotating: Any, person: Any) -> None:
    people, room = _people(person), annotating(api.db, clips=2, adaptive={"rule": "routed", "limit": 5})
    known, unknown = room.clip_ids
    _guess(api.db, room, known, anger=1.0)
    _guess(api.db, room, unknown, anger=0.25, happiness=0.25, neutral=0.25, sadness=0.25)
    _say(people[:1] * 2, room, "anger", "anger")
    assert (_states(api.db, known), _states(api.db, unknown)) == (["done"], ["done", "open"])
    told = api.get(f"/projects/{room.project_id}/routing").json()
    by_clip = {one["clip_id"]: one for one in told["items"]}
    assert [by_clip[i]["decision"] for i in (known, unknown)] == ["settled", "ask"]
    assert [by_clip[i]["uncertainty"] for i in (known, unknown)] == [0.0, 1.0]
    assert by_clip[unknown]["waiting"] and by_clip[unknown]["checkpoint_id"] is not None
    assert "one more answer is worth" in by_clip[unknown]["reason"]
    assert told["counts"] == {"new": 0, "ask": 1, "adjudicate": 0, "ambiguous": 0, "settled": 1}


def test_without_a_guess_the_base_rates_say_what_is_not_known(api: Any, annotating: Any, person: Any) -> None:
    people, room = _people(person), annotating(api.db, clips=1, adaptive=CHEAP)
    _say(people, room, "anger")
    route = _route(api.db, room.clip_ids[0])
    assert route is not None
    assert 0.5 < route.uncertainty < 1
    assert route.checkpoint_id is None


def test_an_accepted_clip_keeps_its_distribution_trains_and_is_no_dispute(
    api: Any, annotating: Any, person: Any
) -> None:
    people, room = _people(person), annotating(api.db, clips=1, overlap=2, adaptive=DEAR | {"ruling_price": 1.0})
    _together(people, room, "anger", "neutral")
    route = _route(api.db, room.clip_ids[0])
    assert route is not None
    assert (route.decision, route.label) == ("ambiguous", None)
    assert api.get(f"/projects/{room.project_id}/disputes").json()["items"] == []
    with api.db.read() as session:
        (label,) = of_arm(session, room.project_id, "strategy", FOUR)
    assert (label.name, label.distribution) == ("anger", (0.5, 0.0, 0.5, 0.0))
    exported = api.get(f"/projects/{room.project_id}/export?what=labels").json()
    assert (exported["label"], exported["source"], exported["distribution"]["neutral"]) == ("anger", "annotations", 0.5)


def test_a_decision_holds_for_the_answers_it_was_made_on_alone(api: Any, annotating: Any, person: Any) -> None:
    people, room = _people(person), annotating(api.db, clips=1, overlap=2, adaptive=DEAR | {"ruling_price": 1.0})
    first, _ = _together(people, room, "anger", "neutral")
    people[0].revise(first, "sadness")
    (told,) = api.get(f"/projects/{room.project_id}/routing").json()["items"]
    assert told["holds"] is False
    assert [one["why"] for one in api.get(f"/projects/{room.project_id}/disputes").json()["items"]] == ["tie"]
    with api.db.read() as session:
        assert decide(session, room.project_id)[room.clip_ids[0]].name is None


def test_what_most_may_hear_otherwise_goes_to_an_adjudicator(api: Any, annotating: Any, person: Any) -> None:
    people, room = _people(person), annotating(api.db, clips=1, adaptive=DEAR | {"ruling_price": 0.0, "sure": 1.0})
    _say(people, room, "anger")
    (dispute,) = api.get(f"/projects/{room.project_id}/disputes").json()["items"]
    assert dispute["why"] == "doubtful"
    assert "pays for a ruling" in api.get(f"/projects/{room.project_id}/routing").json()["items"][0]["reason"]
    ruling = {"decision": "label", "label": "sadness", "reason": "heard twice"}
    assert api.post(f"/projects/{room.project_id}/clips/{room.clip_ids[0]}/ruling", json=ruling).status_code == 201
    assert api.get(f"/projects/{room.project_id}/disputes").json()["items"] == []


def test_where_nobody_is_left_to_ask_it_is_decided_without_a_further_answer(
    api: Any, annotating: Any, person: Any
) -> None:
    people, room = _people(person, 2), annotating(api.db, clips=1, overlap=2, adaptive=CHEAP | {"ruling_price": 1.0})
    _say(people, room, "anger", "neutral")
    route = _route(api.db, room.clip_ids[0])
    assert route is not None
    assert route.decision == "ambiguous"
    with api.db.read() as session:
        assert session.get_one(Round, room.round_id).state == "fine_tuning"


@pytest.mark.parametrize("estimator", ["majority", "dawid_skene", "mace"])
def test_every_estimator_can_route(api: Any, annotating: Any, person: Any, estimator: str) -> None:
    people, room = _people(person), annotating(api.db, clips=4, adaptive=CHEAP, labels=estimator)
    for _ in range(3):
        _say(people[:3], room, "anger", "anger", "neutral")
    told = api.get(f"/projects/{room.project_id}/routing").json()
    assert sum(told["counts"].values()) == 4
    assert all(0 <= one["confidence"] <= 1 for one in told["items"])


def test_a_project_names_the_rule_and_its_rounds_copy_it_and_ask_for_no_more_than_it_ends_with(api: Any) -> None:
    project = api.project(annotating={"adaptive": "routed"}, overlap=9)
    opened = api.post(f"/projects/{project}/rounds", json={})
    assert opened.json()["adaptive"]["rule"] == "routed"
    assert opened.json()["overlap"] == opened.json()["adaptive"]["limit"] == 7
    told = api.get(f"/projects/{project}/routing").json()
    assert (told["round"], told["items"], told["rule"]["price"]) == (0, [], 0.002)
    assert api.get(f"/projects/{project}/routing", "annotator").status_code == 403


def test_a_scheme_of_dimensions_alone_is_refused_with_what_to_use_instead(api: Any) -> None:
    body = {"name": "scales", "dimensions": [{"name": "arousal", "low": 1, "high": 5}], "encoder": "nobody/none"}
    project = api.post("/projects", json=body | {"annotating": {"adaptive": "routed"}}).json()["id"]
    refused = api.post(f"/projects/{project}/rounds", json={})
    assert refused.status_code == 422
    assert "at_least, at_most and sure" in refused.json()["detail"]


@pytest.mark.parametrize("wrong", [{"rule": "guess"}, {"rule": "routed", "limit": 0}, {"limit": 3}, "guess"])
def test_a_rule_nobody_knows_is_refused(api: Any, wrong: Any) -> None:
    body = {"name": "n", "classes": ["a", "b"], "encoder": "nobody/none", "annotating": {"adaptive": wrong}}
    assert api.post("/projects", json=body).status_code == 422


def test_dimensions_are_not_routed_over(api: Any, annotating: Any, person: Any) -> None:
    scheme = Scheme(FOUR.classes, (Dimension("arousal", 1, 5),))
    people, room = _people(person), annotating(api.db, clips=1, overlap=2, scheme=scheme, adaptive=DEAR | {"sure": 0.0})
    held = [(one, one.lease(room.project_id)[0]) for one in people[:2]]
    for (one, lease), value in zip(held, (1.0, 5.0), strict=True):
        one.say(lease, "anger", dimensions={"arousal": value})
    assert [one["why"] for one in api.get(f"/projects/{room.project_id}/disputes").json()["items"]] == ["spread"]
