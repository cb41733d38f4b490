"""Figures of annotators: what they are computed from, and what they leave out."""

from typing import Any

from sqlalchemy import update

from app.models import Annotation


def _room(api: Any, annotating: Any, person: Any) -> tuple[Any, Any, Any]:
    alice, bob, carol = (person(name) for name in ("alice", "bob", "carol"))
    room = annotating(api.db, clips=12, overlap=3, unclear=True)
    for one, said in ((alice, "anger"), (bob, "anger"), (carol, "neutral")):
        for i, lease in enumerate(sorted(one.lease(room.project_id, 12), key=lambda lease: lease["clip_id"])):
            one.say(lease, said if i % 2 else "sadness", seconds=3.0)
    return room, alice, carol


def _figures(api: Any, room: Any) -> dict[str, dict[str, Any]]:
    items = api.get(f"/projects/{room.project_id}/annotators").json()["items"]
    return {one["annotator"]: one for one in items}


def test_each_annotator_is_compared_with_what_the_others_said(api: Any, annotating: Any, person: Any) -> None:
    room, _, _ = _room(api, annotating, person)
    found = _figures(api, room)
    assert list(found) == ["alice", "bob", "carol"]
    assert (found["alice"]["n"], found["carol"]["n"]) == (12, 12)
    assert (found["carol"]["consensus"]["hits"], found["carol"]["consensus"]["n"]) == (6, 12)
    assert found["alice"]["consensus"]["value"] == 1.0
    assert found["alice"]["pace"]["ratio"] == 2.0
    assert found["alice"]["gold"] == {"hits": 0, "n": 0, "value": None, "low": 0.0, "high": 1.0}
    assert found["alice"]["flags"] == []


def test_skips_withdrawals_and_revisions_are_counted_beside(api: Any, annotating: Any, person: Any) -> None:
    alice, _ = person("alice"), person("bob")
    room = annotating(api.db, clips=4)
    first, second, third = alice.lease(room.project_id, 3)
    alice.revise(alice.say(first).json()["id"])
    alice.skip(second)
    alice.say(third)
    alice.undo(room.project_id)
    (figures,) = _figures(api, room).values()
    assert (figures["n"], figures["skipped"], figures["withdrawn"], figures["revised"]) == (1, {"unsure": 1}, 1, 1)


def test_repeats_tell_how_steady_somebody_is_and_gold_how_right(api: Any, annotating: Any, person: Any) -> None:
    room, alice, _ = _room(api, annotating, person)
    body = {"clips": [{"clip_id": clip, "labels": ["anger"]} for clip in room.clip_ids[:2]]}
    api.post(f"/projects/{room.project_id}/gold", json=body)
    with api.db.write() as session:
        mine = (Annotation.account_id == alice.id, Annotation.clip_id == room.clip_ids[0])
        event = session.query(Annotation).filter(*mine).one()
        again = {
            column.name: getattr(event, column.name) for column in Annotation.__table__.columns if column.name != "id"
        }
        session.add(Annotation(**again | {"kind": "repeat", "label": "anger", "idempotency_key": "again"}))
    figures = _figures(api, room)["alice"]
    assert (figures["consistency"]["hits"], figures["consistency"]["n"]) == (0, 1)
    assert (figures["gold"]["hits"], figures["gold"]["n"], figures["n"]) == (1, 2, 12)


def test_agreement_is_told_of_all_of_each_class_and_of_each_pair(api: Any, annotating: Any, person: Any) -> None:
    room, _, _ = _room(api, annotating, person)
    found = api.get(f"/projects/{room.project_id}/agreement").json()
    assert (found["n_clips"], found["n_answers"]) == (12, 36)
    assert 0 < found["alpha"]["value"] < 1
    assert found["alpha"]["low"] <= found["alpha"]["value"] <= found["alpha"]["high"]
    assert found["per_class"]["sadness"]["value"] == 1.0
    pairs = {(one["first"], one["second"]): one["kappa"]["value"] for one in found["pairs"]}
    assert pairs[("alice", "bob")] == 1.0
    assert pairs[("alice", "carol")] < 0.5
    assert found["dimensions"] == {}


def test_agreement_of_nobody_is_undefined(api: Any) -> None:
    found = api.get(f"/projects/{api.project()}/agreement").json()
    assert (found["alpha"], found["kappa"], found["pairs"]) == (None, None, [])


def test_answers_under_a_former_scheme_are_compared_under_the_one_in_use(
    api: Any, annotating: Any, person: Any
) -> None:
    room, _, _ = _room(api, annotating, person)
    body = {"classes": ["negative", "happiness", "sadness"], "reason": "too fine",
            "mapping": {"anger": ["negative"], "neutral": ["negative"]}}  # fmt: skip
    with api.db.write() as session:
        session.execute(update(Annotation).values(seconds=None))
    api.call("POST", f"/rounds/{room.round_id}/cancel")
    assert api.post(f"/projects/{room.project_id}/schemes", json=body).status_code == 201
    assert _figures(api, room)["carol"]["consensus"]["value"] == 1.0
    assert _figures(api, room)["carol"]["pace"] is None


def test_figures_are_the_operators(api: Any) -> None:
    project = api.project()
    for noun in ("annotators", "agreement"):
        assert api.get(f"/projects/{project}/{noun}", "annotator").status_code == 403
        assert api.get(f"/projects/999/{noun}").status_code == 404
