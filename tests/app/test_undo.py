"""Taking back and revising: what was said stays, what counts is the newest."""

from typing import Any

import pytest
from sqlalchemy import select

from app.labels.service import answers, count_bought
from app.models import Annotation, Assignment, Round


def _labels(api: Any, project_id: int) -> dict[int, list[str | None]]:
    with api.db.read() as session:
        return {clip: [one.label for one in given] for clip, given in answers(session, project_id).items()}


def _events(api: Any) -> list[tuple[Any, ...]]:
    with api.db.read() as session:
        rows = session.scalars(select(Annotation).order_by(Annotation.id)).all()
    first = rows[0].id if rows else 0
    return [
        (row.label, row.withdrawn, None if row.supersedes_id is None else row.supersedes_id - first) for row in rows
    ]


def test_an_undone_answer_comes_back_to_its_annotator_and_nothing_is_deleted(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, room = person("alice"), annotating(api.db, clips=3)
    first, second, _ = alice.lease(room.project_id, 3)
    alice.say(first)
    alice.say(second, "neutral")
    undone = alice.undo(room.project_id).json()
    assert [lease["clip_id"] for lease in undone["leases"]] == [second["clip_id"]]
    assert undone["leases"][0]["lease_id"] != second["lease_id"]
    assert _labels(api, room.project_id) == {first["clip_id"]: ["anger"]}
    assert alice.say(second, "sadness").status_code == 409
    assert alice.say(undone["leases"][0], "sadness").status_code == 201
    assert _labels(api, room.project_id)[second["clip_id"]] == ["sadness"]
    assert _events(api) == [("anger", False, None), ("neutral", False, None), (None, True, 1), ("sadness", False, None)]


def test_several_answers_are_taken_back_newest_first_and_repeating_the_key_takes_no_more(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, room = person("alice"), annotating(api.db, clips=5)
    for lease in alice.lease(room.project_id, 4):
        alice.say(lease)
    first = alice.undo(room.project_id, 2, key="once")
    assert [lease["clip_id"] for lease in first.json()["leases"]] == [room.clip_ids[3], room.clip_ids[2]]
    again = alice.undo(room.project_id, 2, key="once")
    assert again.json()["withdrawn"] == first.json()["withdrawn"]
    assert {lease["clip_id"] for lease in again.json()["leases"]} == {room.clip_ids[2], room.clip_ids[3]}
    assert len(_labels(api, room.project_id)) == 2
    assert len(alice.undo(room.project_id, 20).json()["withdrawn"]) == 2
    nothing = alice.undo(room.project_id)
    assert (nothing.status_code, nothing.json()["title"]) == (409, "nothing to undo")


@pytest.mark.parametrize("reason", ["unsure", "bad_audio"])
def test_an_undone_skip_comes_back_and_everybody_elses_slots_are_as_they_were(
    api: Any, annotating: Any, person: Any, reason: str
) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=2, overlap=2)
    lease = alice.lease(room.project_id)[0]
    alice.skip(lease, reason)
    back = alice.undo(room.project_id).json()["leases"][0]
    assert back["clip_id"] == lease["clip_id"]
    alice.say(back)
    assert {one["clip_id"] for one in bob.lease(room.project_id, 20)} == set(room.clip_ids)
    with api.db.read() as session:
        asked = select(Assignment.state).where(Assignment.clip_id == lease["clip_id"], Assignment.state != "out")
        assert sorted(session.scalars(asked)) == ["done", "leased"]


def test_a_skip_that_somebody_took_up_cannot_be_undone(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=1)
    alice.skip(alice.lease(room.project_id)[0])
    taken = bob.lease(room.project_id)[0]
    refused = alice.undo(room.project_id)
    assert refused.status_code == 409
    assert "with somebody else" in refused.json()["detail"]
    assert bob.say(taken).status_code == 201


def test_the_last_answer_of_a_round_is_revised_because_it_cannot_be_undone(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, room = person("alice"), annotating(api.db, clips=1)
    answered = alice.say(alice.lease(room.project_id)[0]).json()
    refused = alice.undo(room.project_id)
    assert refused.status_code == 409
    assert "revise the answer instead" in refused.json()["detail"]
    assert alice.revise(answered["id"], "sadness").status_code == 201
    assert list(_labels(api, room.project_id).values()) == [["sadness"]]


def test_an_undo_keeps_a_round_open_that_would_have_ended(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=2)
    mine, theirs = alice.lease(room.project_id)[0], bob.lease(room.project_id)[0]
    alice.say(mine)
    back = alice.undo(room.project_id).json()["leases"][0]
    bob.say(theirs)
    with api.db.read() as session:
        assert session.get_one(Round, room.round_id).state == "annotating"
    alice.say(back)
    with api.db.read() as session:
        assert session.get_one(Round, room.round_id).state == "fine_tuning"


def test_a_revision_counts_instead_of_the_answer_it_names_and_only_once(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=2)
    answered = alice.say(alice.lease(room.project_id)[0], seconds=3.5).json()
    revised = alice.revise(answered["id"], "neutral", key="r", comment="second thoughts")
    assert revised.status_code == 201
    assert alice.revise(answered["id"], "neutral", key="r", comment="second thoughts").json() == revised.json()
    assert alice.revise(answered["id"], "sadness").status_code == 409
    assert alice.revise(revised.json()["id"], "sadness").status_code == 201
    assert bob.revise(answered["id"], "happiness").status_code == 404
    assert alice.revise(999_999, "happiness").status_code == 404
    assert alice.revise(answered["id"], "rage").status_code == 409
    assert list(_labels(api, room.project_id).values()) == [["sadness"]]
    assert [event[:2] for event in _events(api)] == [("anger", False), ("neutral", False), ("sadness", False)]
    with api.db.read() as session:
        assert count_bought(session, room.project_id) == 1


def test_undoing_a_revision_takes_the_whole_answer_back(api: Any, annotating: Any, person: Any) -> None:
    alice, room = person("alice"), annotating(api.db, clips=2)
    answered = alice.say(alice.lease(room.project_id)[0]).json()
    alice.revise(answered["id"], "neutral")
    assert len(alice.undo(room.project_id).json()["leases"]) == 1
    assert _labels(api, room.project_id) == {}
    with api.db.read() as session:
        assert count_bought(session, room.project_id) == 0


def test_a_skip_is_undone_not_revised(api: Any, annotating: Any, person: Any) -> None:
    alice, _, room = person("alice"), person("bob"), annotating(api.db, clips=2)
    skipped = alice.skip(alice.lease(room.project_id)[0]).json()
    assert alice.revise(skipped["id"]).status_code == 409
