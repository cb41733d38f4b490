"""Disputes: side by side, ruled on with a reason, or sent back; what annotators said is never overwritten."""

from typing import Any

import pytest
from sqlalchemy import select

from al_core.scheme import Dimension, Scheme
from app.labels.service import closed_clips, of_arm
from app.models import Annotation, Project, Round
from app.specs import read_scheme


def _disputes(api: Any, room: Any, **query: Any) -> list[dict[str, Any]]:
    return api.get(f"/projects/{room.project_id}/disputes", params=query).json()["items"]


def _rule(api: Any, room: Any, clip_id: int, decision: str = "label", **body: Any) -> Any:
    sent = {"decision": decision, "reason": "listened twice"} | body
    return api.post(f"/projects/{room.project_id}/clips/{clip_id}/ruling", json=sent)


def _send_back(api: Any, room: Any, clip_id: int, to: str, **body: Any) -> Any:
    sent = {"to": to, "reason": "another ear"} | body
    return api.post(f"/projects/{room.project_id}/clips/{clip_id}/send-back", json=sent)


def _labels(api: Any, room: Any) -> dict[int, tuple[str | None, tuple[float, ...]]]:
    with api.db.read() as session:
        scheme = read_scheme(session.get_one(Project, room.project_id).scheme)
        return {
            one.clip_id: (one.name, one.distribution) for one in of_arm(session, room.project_id, "strategy", scheme)
        }


def _state(api: Any, round_id: int) -> str:
    with api.db.read() as session:
        return session.get_one(Round, round_id).state


def _answer(room: Any, *said: tuple[Any, list[Any]]) -> None:
    """Each person's answers to the clips in order; a dict is a body of its own, None a skip as unsure."""
    leases = [(one, sorted(one.lease(room.project_id, 20), key=lambda lease: lease["clip_id"])) for one, _ in said]
    for (one, held), (_, labels) in zip(leases, said, strict=True):
        for lease, label in zip(held, labels, strict=True):
            if label is None:
                one.skip(lease)
            elif isinstance(label, dict):
                one.say(lease, None, **label)
            else:
                one.say(lease, label)


def test_disputes_show_everybodys_answers_side_by_side(api: Any, annotating: Any, person: Any) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=4, overlap=2, unclear=True)
    _answer(
        room, (alice, ["anger", "anger", {"unclear": True, "comment": "noise"}, None]),
        (bob, ["anger", "neutral", "sadness", None]),
    )  # fmt: skip
    found = _disputes(api, room)
    assert [(one["clip_id"], one["why"]) for one in found] == [
        (room.clip_ids[1], "tie"), (room.clip_ids[2], "unclear"), (room.clip_ids[3], "skipped")
    ]  # fmt: skip
    assert [(one["annotator"], one["label"]) for one in found[0]["answers"]] == [("alice", "anger"), ("bob", "neutral")]
    assert found[0]["distribution"] == {"anger": 0.5, "happiness": 0.0, "neutral": 0.5, "sadness": 0.0}
    assert found[1]["answers"][0]["comment"] == "noise"
    assert [one["skip_reason"] for one in found[2]["answers"]] == ["unsure", "unsure"]
    page = api.get(f"/projects/{room.project_id}/disputes", params={"limit": 2}).json()
    assert [one["clip_id"] for one in page["items"]] == room.clip_ids[1:3]
    assert _disputes(api, room, after=page["next_after"])[0]["clip_id"] == room.clip_ids[3]
    assert alice.call("GET", f"/projects/{room.project_id}/disputes").status_code == 403


def test_a_clip_somebody_is_still_asked_about_is_no_dispute_yet(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=1, overlap=3)
    _answer(room, (alice, ["anger"]), (bob, ["neutral"]))
    assert _disputes(api, room) == []
    api.post(f"/rounds/{room.round_id}/close")
    assert len(_disputes(api, room)) == 1


def test_the_end_of_an_adaptive_round_leaves_unsure_clips_to_the_adjudicator(
    api: Any, annotating: Any, person: Any
) -> None:
    people = [person(name) for name in "abc"]
    room = annotating(api.db, clips=1, overlap=1, adaptive={"at_least": 2, "at_most": 3, "sure": 0.7})
    for one, label in zip(people, ("anger", "neutral", "anger"), strict=True):
        one.say(one.lease(room.project_id)[0], label)
    assert [one["why"] for one in _disputes(api, room)] == ["not_sure"]


def test_dimensions_far_apart_are_a_dispute_too(api: Any, annotating: Any, person: Any) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=2, overlap=2, scheme=Scheme((), (Dimension("arousal", 1, 5),)))
    low, high, near = ({"dimensions": {"arousal": value}} for value in (1, 4, 1.5))
    _answer(room, (alice, [low, low]), (bob, [high, near]))
    assert [(one["clip_id"], one["why"]) for one in _disputes(api, room)] == [(room.clip_ids[0], "spread")]
    _rule(api, room, room.clip_ids[0], dimensions={"arousal": 2})
    with api.db.read() as session:
        scheme = Scheme((), (Dimension("arousal", 1, 5),))
        own = of_arm(session, room.project_id, "strategy", scheme)
    assert [label.dimensions for label in own] == [(2.0,), (1.25,)]


def test_a_ruling_is_the_label_and_the_answers_stay(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=1, overlap=2)
    _answer(room, (alice, ["anger"]), (bob, ["neutral"]))
    clip = room.clip_ids[0]
    assert _labels(api, room) == {}
    ruled = _rule(api, room, clip, label="sadness")
    assert ruled.status_code == 201
    assert (ruled.json()["adjudicator"], ruled.json()["reason"]) == ("operator", "listened twice")
    assert _labels(api, room) == {clip: ("sadness", (0, 0, 0, 1))}
    assert _disputes(api, room) == []
    _rule(api, room, clip, label="neutral", reason="third time")
    assert _labels(api, room)[clip][0] == "neutral"
    told = api.get(f"/projects/{room.project_id}/clips/{clip}/answers").json()
    assert [one["label"] for one in told["decisions"]] == ["sadness", "neutral"]
    assert [one["label"] for one in told["answers"]] == ["anger", "neutral"]
    with api.db.read() as session:
        assert list(session.scalars(select(Annotation.label).order_by(Annotation.id))) == ["anger", "neutral"]


def test_an_ambiguous_clip_keeps_its_distribution_and_an_excluded_one_has_no_label(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=2, overlap=2)
    _answer(room, (alice, ["anger", "anger"]), (bob, ["neutral", "anger"]))
    first, second = room.clip_ids
    _rule(api, room, first, "ambiguous")
    _rule(api, room, second, "exclude")
    assert _labels(api, room) == {first: ("anger", (0.5, 0, 0.5, 0))}
    with api.db.read() as session:
        assert closed_clips(session, room.project_id) == {first, second}


def test_a_ruling_ends_the_asking_and_may_end_the_round(api: Any, annotating: Any, person: Any) -> None:
    alice, room = person("alice"), annotating(api.db, clips=1, overlap=2)
    _answer(room, (alice, ["anger"]))
    _rule(api, room, room.clip_ids[0], label="anger")
    assert _state(api, room.round_id) == "fine_tuning"


def test_sent_back_to_others_a_clip_gets_one_more_answer_from_somebody_new(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob, carol = person("alice"), person("bob"), person("carol")
    room = annotating(api.db, clips=2, overlap=2)
    held = carol.lease(room.project_id)[0]  # keeps the round open
    _answer(room, (alice, ["anger", "anger"]), (bob, ["neutral"]))
    disputed = next(iter(_disputes(api, room)))["clip_id"]
    sent = _send_back(api, room, disputed, "others")
    assert (sent.status_code, sent.json()["asked"]) == (201, 1)
    assert _disputes(api, room) == []
    assert alice.lease(room.project_id) == bob.lease(room.project_id, 5)[1:] == []
    carol.say(held)
    extra = carol.lease(room.project_id, 5)
    assert disputed in {lease["clip_id"] for lease in extra}
    for lease in extra:
        carol.say(lease, "neutral")
    assert _labels(api, room)[disputed][0] == "neutral"


def test_sent_back_to_the_same_their_new_answers_count_and_the_old_ones_are_kept(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=1, overlap=2)
    _answer(room, (alice, ["anger"]), (bob, ["neutral"]))
    assert _state(api, room.round_id) == "fine_tuning"
    clip = room.clip_ids[0]
    assert _send_back(api, room, clip, "same").json()["asked"] == 2
    assert _send_back(api, room, clip, "same").status_code == 409
    for one in (alice, bob):
        (lease,) = one.lease(room.project_id)
        assert one.say(lease, "neutral").status_code == 201
    assert _labels(api, room) == {clip: ("neutral", (0, 0, 1, 0))}
    with api.db.read() as session:
        assert len(session.scalars(select(Annotation)).all()) == 4


def test_when_every_annotator_had_a_clip_there_are_no_others(api: Any, annotating: Any, person: Any) -> None:
    alice, room = person("alice"), annotating(api.db, clips=1)
    _answer(room, (alice, ["anger"]))
    refused = _send_back(api, room, room.clip_ids[0], "others")
    assert refused.status_code == 409
    assert "every annotator had clip" in refused.json()["detail"]


def test_a_ruling_for_a_class_that_is_split_later_decides_nothing_any_more(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=1, overlap=2)
    _answer(room, (alice, ["happiness"]), (bob, ["neutral"]))
    with api.db.write() as session:
        session.get_one(Round, room.round_id).state = "finished"
    _rule(api, room, room.clip_ids[0], label="anger")
    classes = ["hot anger", "cold anger", "happiness", "neutral", "sadness"]
    body = {"classes": classes, "mapping": {"anger": ["hot anger", "cold anger"]}, "reason": "two kinds"}
    assert api.post(f"/projects/{room.project_id}/schemes", json=body).status_code == 201
    assert _labels(api, room) == {}
    assert [one["why"] for one in _disputes(api, room)] == ["tie"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"decision": "label"}, "send a label or dimensions"),
        ({"decision": "ambiguous", "label": "anger"}, "with no other"),
        ({"decision": "label", "label": "rage"}, "'rage' is not in the scheme"),
        ({"decision": "label", "dimensions": {"arousal": 1}}, "'arousal' is not in the scheme"),
        ({"decision": "label", "label": "anger", "reason": ""}, "at least 1 character"),
    ],
)
def test_a_ruling_that_decides_nothing_is_refused(api: Any, annotating: Any, body: dict[str, Any], says: str) -> None:
    room = annotating(api.db, clips=1)
    path = f"/projects/{room.project_id}/clips/{room.clip_ids[0]}/ruling"
    refused = api.post(path, json={"reason": "because"} | body)
    assert refused.status_code == 422
    assert says in refused.json()["detail"]
    assert api.post(path.replace(f"/{room.clip_ids[0]}/", "/99999/"), json=body | {"reason": "x"}).status_code in (
        404,
        422,
    )
