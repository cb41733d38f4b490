"""Gold clips, repeats and the qualification: hidden, never twice to the same ears, and never a label."""

from itertools import cycle
from typing import Any

import pytest
from sqlalchemy import select, update

from al_core.scheme import Dimension, Scheme
from app.annotations import offers
from app.annotations.service import Answer, answer
from app.db import utcnow
from app.labels.service import answers, closed_clips, count_bought, of_arm
from app.models import Annotation, Assignment, Clip, Qualification, Round

FOUR = Scheme(("anger", "happiness", "neutral", "sadness"))


def _gold(api: Any, room: Any, clips: list[int], use: str = "gold", **right: Any) -> Any:
    known = right or {"labels": ["anger"]}
    body = {"use": use, "clips": [{"clip_id": clip_id} | known for clip_id in clips]}
    return api.post(f"/projects/{room.project_id}/gold", json=body)


def _unasked(api: Any, room: Any, count: int) -> list[int]:
    """Clips of the project that its round does not ask about."""
    with api.db.write() as session:
        spare = room.clip_ids[-count:]
        session.execute(update(Assignment).where(Assignment.clip_id.in_(spare)).values(state="out", account_id=None))
    return spare


def _kinds(api: Any) -> list[str]:
    with api.db.read() as session:
        return list(session.scalars(select(Annotation.kind).order_by(Annotation.id)))


def test_gold_clips_come_at_the_chosen_rate_instead_of_real_ones_and_look_alike(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice = annotating(api.db, clips=6, gold_rate=0.5), person("alice")
    _gold(api, room, _unasked(api, room, 2))
    draws = cycle([0.0, 0.9])
    with api.db.write() as session:
        given = offers.offer(session, room.project_id, alice.id, 4, now=utcnow(), draw=lambda: next(draws)).leases
    assert [lease.kind for lease in given] == ["gold", "answer", "gold", "answer"]
    assert {lease.clip_id for lease in given if lease.kind == "gold"} == set(room.clip_ids[-2:])
    leases = alice.held(room.project_id)
    assert {frozenset(lease) for lease in leases} == {
        frozenset({"lease_id", "expires_at", "clip_id", "audio_url", "duration_s", "peaks", "guess"})
    }
    for lease in leases:
        told = alice.say(lease, "anger").json()
        assert "kind" not in told
        assert "correct" not in told
    assert sorted(_kinds(api)) == ["answer", "answer", "gold", "gold"]


def test_a_gold_clip_never_comes_twice_to_the_same_ears_and_never_after_the_work_is_done(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice, bob = annotating(api.db, clips=4, gold_rate=0.5, overlap=2), person("alice"), person("bob")
    spare = _unasked(api, room, 1)
    _gold(api, room, spare)
    heard: dict[str, list[int]] = {"alice": [], "bob": []}
    for name, one in (("alice", alice), ("bob", bob)):
        while True:
            with api.db.write() as session:
                given = offers.offer(session, room.project_id, one.id, 1, now=utcnow(), draw=lambda: 0.0).leases
                for lease in given:
                    answer(session, Answer(lease.id, "anger", None, None, None), one.id, str(lease.id), now=utcnow())
                    heard[name].append(lease.clip_id)
            if not given:
                break
    assert {name: sorted(clips) for name, clips in heard.items()} == dict.fromkeys(heard, sorted(room.clip_ids))


def test_gold_answers_are_judged_and_are_no_labels_and_cost_no_budget(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=4, gold_rate=0.5), person("alice")
    spare = _unasked(api, room, 2)
    _gold(api, room, spare, labels=["anger", "sadness"])
    with api.db.write() as session:
        given = offers.offer(session, room.project_id, alice.id, 2, now=utcnow(), draw=lambda: 0.0).leases
    labels = dict(zip((lease.clip_id for lease in given), ("sadness", "neutral"), strict=True))
    for lease in alice.held(room.project_id):
        alice.say(lease, labels[lease["clip_id"]])
    with api.db.read() as session:
        correct = dict(session.execute(select(Annotation.label, Annotation.correct)).all())
        assert correct == {"sadness": True, "neutral": False}
        assert answers(session, room.project_id) == {}
        assert of_arm(session, room.project_id, "strategy", FOUR) == []
        assert count_bought(session, room.project_id) == 0
        assert set(spare) <= closed_clips(session, room.project_id)


def test_dimensions_of_a_gold_clip_are_right_within_their_range(api: Any, annotating: Any, person: Any) -> None:
    scheme = Scheme((), (Dimension("arousal", 1, 5),))
    room = annotating(api.db, clips=3, gold_rate=0.5, scheme=scheme)
    alice, bob = person("alice"), person("bob")
    _gold(api, room, _unasked(api, room, 1), dimensions={"arousal": [3, 4]})
    for one, value in ((alice, 3.5), (bob, 4.5)):
        with api.db.write() as session:
            offers.offer(session, room.project_id, one.id, 1, now=utcnow(), draw=lambda: 0.0)
        one.say(one.held(room.project_id)[0], None, dimensions={"arousal": value})
    with api.db.read() as session:
        assert list(session.scalars(select(Annotation.correct).order_by(Annotation.id))) == [True, False]


def test_a_repeat_comes_back_after_enough_others_once_and_is_no_second_vote(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice = annotating(api.db, clips=6, repeat_rate=0.5, repeat_gap=3, overlap=2), person("alice")
    person("bob")
    heard: list[tuple[int, str]] = []
    for _ in range(20):
        with api.db.write() as session:
            given = offers.offer(session, room.project_id, alice.id, 1, now=utcnow(), draw=lambda: 0.0).leases
            for lease in given:
                heard.append((lease.clip_id, lease.kind))
                said = "anger" if lease.kind == "answer" else "neutral"
                answer(session, Answer(lease.id, said, None, None, None), alice.id, str(lease.id), now=utcnow())
    repeats = [clip for clip, kind in heard if kind == "repeat"]
    assert repeats[0] == heard[0][0]
    assert [kind for _, kind in heard[:4]] == ["answer"] * 4
    assert len(repeats) == len(set(repeats)) > 1
    for clip in repeats:
        first, again = (i for i, (one, _) in enumerate(heard) if one == clip)
        assert sum(kind == "answer" for _, kind in heard[first + 1 : again]) >= 3
    with api.db.read() as session:
        own = answers(session, room.project_id)
    assert {clip: [one.label for one in said] for clip, said in own.items()} == {
        clip: ["anger"] for clip in room.clip_ids
    }


def test_a_probe_given_back_waits_for_the_same_annotator_and_holds_no_round_up(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice, bob = annotating(api.db, clips=2, gold_rate=0.5), person("alice"), person("bob")
    spare = _unasked(api, room, 1)
    _gold(api, room, spare)
    with api.db.write() as session:
        (lease,) = offers.offer(session, room.project_id, alice.id, 1, now=utcnow(), draw=lambda: 0.0).leases
    assert alice.call("POST", f"/leases/{lease.id}/release").status_code == 204
    with api.db.write() as session:
        (real,) = offers.offer(session, room.project_id, bob.id, 5, now=utcnow(), draw=lambda: 1.0).leases
    assert real.clip_id not in spare
    bob.say(bob.held(room.project_id)[0])
    with api.db.read() as session:
        assert session.get_one(Round, room.round_id).state == "fine_tuning"
    assert [one["clip_id"] for one in alice.lease(room.project_id)] == spare


def _qualify(api: Any, person: Any, annotating: Any, **settings: Any) -> tuple[Any, Any, list[int]]:
    room = annotating(api.db, clips=6, **({"qualification": 0.6} | settings))
    spare = _unasked(api, room, 3)
    _gold(api, room, spare, use="qualification")
    return room, person("alice"), spare


def test_the_qualification_set_comes_before_real_clips_and_opens_the_door(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice, spare = _qualify(api, person, annotating)
    offer = alice.call("POST", f"/projects/{room.project_id}/leases", json={"count": 5}).json()
    assert offer["qualification"] == "open"
    assert [lease["clip_id"] for lease in offer["leases"]] == spare
    for lease, label in zip(offer["leases"], ("anger", "neutral", "anger"), strict=True):
        alice.say(lease, label)
    offer = alice.call("POST", f"/projects/{room.project_id}/leases", json={"count": 5}).json()
    assert offer["qualification"] == "passed"
    assert [lease["clip_id"] for lease in offer["leases"]] == room.clip_ids[:3]
    with api.db.read() as session:
        standing = session.get_one(Qualification, (room.project_id, alice.id))
        assert (standing.asked, standing.correct) == (3, 2)
        assert answers(session, room.project_id) == {}


def test_who_fails_gets_no_real_clips_until_an_operator_decides(api: Any, annotating: Any, person: Any) -> None:
    room, alice, spare = _qualify(api, person, annotating)
    for lease in alice.lease(room.project_id, 5):
        alice.say(lease, "neutral")
    path = f"/projects/{room.project_id}/annotators/{alice.id}/qualification"
    assert alice.call("POST", f"/projects/{room.project_id}/leases", json={}).json()["qualification"] == "failed"
    assert alice.undo(room.project_id).status_code == 409
    assert api.call("PUT", path, json={"state": "open"}).json()["state"] == "open"
    again = alice.lease(room.project_id, 5)
    assert [lease["clip_id"] for lease in again] == spare
    alice.skip(again[0])
    for lease in again[1:]:
        alice.say(lease, "anger")
    assert len(alice.lease(room.project_id, 5)) == 3


def test_an_operator_lets_somebody_in_without_the_test(api: Any, annotating: Any, person: Any) -> None:
    room, alice, _ = _qualify(api, person, annotating)
    path = f"/projects/{room.project_id}/annotators/{alice.id}/qualification"
    assert api.call("PUT", path, json={"state": "waived"}).json()["state"] == "waived"
    assert [lease["clip_id"] for lease in alice.lease(room.project_id, 5)] == room.clip_ids[:3]
    assert api.call("PUT", path.replace(f"/{alice.id}/", "/99999/"), json={"state": "waived"}).status_code == 404


def test_a_project_with_a_threshold_and_no_set_tests_nobody(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=1, qualification=0.6), person("alice")
    assert len(alice.lease(room.project_id)) == 1


def test_taking_the_last_open_clip_out_of_the_set_decides_the_test(api: Any, annotating: Any, person: Any) -> None:
    room, alice, spare = _qualify(api, person, annotating)
    for lease in alice.lease(room.project_id, 2):
        alice.say(lease, "anger")
    assert api.call("DELETE", f"/projects/{room.project_id}/gold/{spare[2]}").status_code == 204
    assert [lease["clip_id"] for lease in alice.lease(room.project_id)] == room.clip_ids[:1]


def test_gold_clips_are_kept_changed_listed_and_dropped_by_operators(api: Any, annotating: Any) -> None:
    room = annotating(api.db, clips=3)
    path = f"/projects/{room.project_id}/gold"
    with api.db.write() as session:
        session.get_one(Clip, room.clip_ids[0]).reference_label = "sadness"
    made = api.post(path, json={"clips": [{"clip_id": room.clip_ids[0]}]})
    assert made.status_code == 201
    assert made.json()["items"][0]["labels"] == ["sadness"]
    assert _gold(api, room, room.clip_ids[:2], labels=["anger"]).status_code == 201
    listed = api.get(path).json()["items"]
    assert [(one["clip_id"], one["labels"]) for one in listed] == [(clip, ["anger"]) for clip in room.clip_ids[:2]]
    assert api.call("DELETE", f"{path}/{room.clip_ids[0]}").status_code == 204
    assert api.call("DELETE", f"{path}/{room.clip_ids[0]}").status_code == 404
    assert api.get(path, "annotator").status_code == 403


@pytest.mark.parametrize(
    ("right", "says"),
    [
        ({"labels": ["rage"]}, "'rage' is not in the scheme"),
        ({"labels": []}, "nothing is known"),
        ({"dimensions": {"arousal": [1, 2]}}, "no dimension of the scheme"),
    ],
)
def test_gold_that_cannot_be_judged_is_refused(api: Any, annotating: Any, right: dict[str, Any], says: str) -> None:
    room = annotating(api.db, clips=1)
    refused = _gold(api, room, room.clip_ids, **right)
    assert refused.status_code == 422
    assert says in refused.json()["detail"]
    assert _gold(api, room, [999_999]).status_code == 422


def test_examples_are_clips_of_the_project_under_its_classes(api: Any, annotating: Any) -> None:
    room = annotating(api.db, clips=2)
    path = f"/projects/{room.project_id}"
    kept = api.call("PATCH", path, json={"annotating": {"examples": {"anger": room.clip_ids[:1]}}})
    assert kept.json()["annotating"]["examples"] == {"anger": room.clip_ids[:1]}
    assert kept.json()["annotating"]["gold_rate"] == 0
    changed = api.call("PATCH", path, json={"annotating": {"gold_rate": 0.1}}).json()["annotating"]
    assert (changed["gold_rate"], changed["examples"]) == (0.1, {"anger": room.clip_ids[:1]})
    assert api.call("PATCH", path, json={"annotating": {"examples": {"rage": []}}}).status_code == 422
    assert api.call("PATCH", path, json={"annotating": {"examples": {"anger": [999_999]}}}).status_code == 422
    assert api.call("PATCH", path, json={"annotating": {"gold_rate": 0.9}}).status_code == 422
    with api.db.read() as session:
        assert room.clip_ids[0] in closed_clips(session, room.project_id)
