"""Skips: what each does is the project's choice, and no clip that nobody can judge holds up a round."""

from typing import Any

import pytest
from sqlalchemy import select

from app.models import Annotation, Assignment, Round


def _state(api: Any, round_id: int) -> str:
    with api.db.read() as session:
        return session.get_one(Round, round_id).state


def _effects(api: Any) -> list[str | None]:
    with api.db.read() as session:
        return list(session.scalars(select(Annotation.effect).order_by(Annotation.id)))


def test_a_clip_everybody_skipped_as_unsure_goes_to_an_adjudicator_and_the_round_moves_on(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=2)
    hard, easy = alice.lease(room.project_id, 2)
    assert alice.skip(hard).status_code == 201
    assert bob.skip(bob.lease(room.project_id)[0]).status_code == 201
    assert _state(api, room.round_id) == "annotating"
    alice.say(easy)
    assert _state(api, room.round_id) == "fine_tuning"
    assert _effects(api) == ["others", "adjudication", None]


def test_after_as_many_skips_as_the_project_says_nobody_else_is_asked(api: Any, annotating: Any, person: Any) -> None:
    people = [person(name) for name in ("alice", "bob", "carol", "dave")]
    room = annotating(api.db, clips=1, skips_to_adjudication=2)
    for one in people[:2]:
        one.skip(one.lease(room.project_id)[0])
    assert people[2].lease(room.project_id) == []
    assert _state(api, room.round_id) == "fine_tuning"


def test_one_person_alone_who_is_unsure_does_not_wait_for_nobody(api: Any, annotating: Any, person: Any) -> None:
    alice, room = person("alice"), annotating(api.db, clips=1)
    alice.skip(alice.lease(room.project_id)[0])
    assert _state(api, room.round_id) == "fine_tuning"


def test_who_has_the_clip_when_it_goes_to_an_adjudicator_may_still_answer(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=1, overlap=2)
    mine, theirs = alice.lease(room.project_id)[0], bob.lease(room.project_id)[0]
    alice.skip(mine)
    assert _state(api, room.round_id) == "annotating"
    assert bob.say(theirs).status_code == 201
    assert _state(api, room.round_id) == "fine_tuning"


def test_later_brings_the_clip_back_behind_all_others_and_the_second_time_it_goes_to_others(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=3, skips={"unsure": "later"})
    first = alice.lease(room.project_id)[0]
    alice.skip(first)
    again = alice.lease(room.project_id, 3)
    assert [lease["clip_id"] for lease in again] == [*room.clip_ids[1:], first["clip_id"]]
    alice.skip(again[2])
    assert alice.lease(room.project_id) == []
    assert bob.lease(room.project_id)[0]["clip_id"] == first["clip_id"]
    assert _effects(api) == ["later", "others"]


@pytest.mark.parametrize("reason", ["bad_audio", "not_speech", "several_speakers", "unsure"])
def test_any_reason_may_take_a_clip_out_or_leave_it_to_others(
    api: Any, annotating: Any, person: Any, reason: str
) -> None:
    alice, bob = person("alice"), person("bob")
    out = annotating(api.db, clips=1, overlap=2, name="out", skips={reason: "out"})
    alice.skip(alice.lease(out.project_id)[0], reason)
    assert _state(api, out.round_id) == "fine_tuning"
    others = annotating(api.db, clips=1, name="others", skips={reason: "others"})
    alice.skip(alice.lease(others.project_id)[0], reason)
    assert len(bob.lease(others.project_id)) == 1


def test_a_skipped_clip_is_not_given_to_the_same_ears_by_another_slot(api: Any, annotating: Any, person: Any) -> None:
    alice, _ = person("alice"), person("bob")
    room = annotating(api.db, clips=1, overlap=2)
    alice.skip(alice.lease(room.project_id)[0])
    assert alice.lease(room.project_id) == []
    with api.db.read() as session:
        rows = session.execute(select(Assignment.slot, Assignment.state).order_by(Assignment.id)).all()
    assert sorted(map(tuple, rows)) == [(0, "open"), (0, "skipped"), (1, "open")]
