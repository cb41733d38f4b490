"""How many people are asked about a clip: fixed, for one clip, or until it is sure."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from al_core.scheme import Dimension, Scheme
from app.labels.given import Given
from app.labels.sure import posterior, sureness
from app.models import Assignment, Round

FOUR = Scheme(("anger", "happiness", "neutral", "sadness"))
ADAPTIVE = {"at_least": 2, "at_most": 4, "sure": 0.7}


def _states(api: Any, clip_id: int) -> Counter[str]:
    with api.db.read() as session:
        return Counter(session.scalars(select(Assignment.state).where(Assignment.clip_id == clip_id)))


def _state(api: Any, round_id: int) -> str:
    with api.db.read() as session:
        return session.get_one(Round, round_id).state


def _given(label: str | None = None, **more: Any) -> Given:
    content = {"intensities": None, "unclear": False, "dimensions": None} | more
    return Given(1, 1, 1, 1, label, **content)


def test_two_who_agree_are_enough(api: Any, annotating: Any, person: Any) -> None:
    people = [person(name) for name in "abcde"]
    room = annotating(api.db, clips=1, overlap=1, adaptive=ADAPTIVE)
    for one in people[:2]:
        assert _state(api, room.round_id) == "annotating"
        one.say(one.lease(room.project_id)[0])
    assert _state(api, room.round_id) == "fine_tuning"
    assert _states(api, room.clip_ids[0]) == {"done": 2}


def test_who_disagree_are_joined_by_others_up_to_the_limit(api: Any, annotating: Any, person: Any) -> None:
    people = [person(name) for name in "abcde"]
    room = annotating(api.db, clips=1, overlap=2, adaptive=ADAPTIVE)
    for one, label in zip(people, ("anger", "neutral", "anger", "neutral"), strict=False):
        one.say(one.lease(room.project_id)[0], label)
    assert people[4].lease(room.project_id) == []
    assert _states(api, room.clip_ids[0]) == {"done": 4}
    assert _state(api, room.round_id) == "fine_tuning"


def test_slots_that_are_not_needed_any_more_are_dropped_but_not_from_who_holds_one(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, bob, carol, _ = (person(name) for name in ("alice", "bob", "carol", "dave"))
    room = annotating(api.db, clips=1, overlap=4, adaptive=ADAPTIVE)
    leases = [one.lease(room.project_id)[0] for one in (alice, bob, carol)]
    alice.say(leases[0])
    bob.say(leases[1])
    assert _states(api, room.clip_ids[0]) == {"done": 2, "leased": 1, "out": 1}
    assert carol.say(leases[2]).status_code == 201
    assert _state(api, room.round_id) == "fine_tuning"


def test_nobody_is_waited_for_when_everybody_was_asked(api: Any, annotating: Any, person: Any) -> None:
    alice, bob = person("alice"), person("bob")
    room = annotating(api.db, clips=1, overlap=2, adaptive=ADAPTIVE)
    alice.say(alice.lease(room.project_id)[0], "anger")
    bob.say(bob.lease(room.project_id)[0], "neutral")
    assert _state(api, room.round_id) == "fine_tuning"


def test_an_operator_sets_the_overlap_of_one_clip(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, carol = person("alice"), person("bob"), person("carol")
    room = annotating(api.db, clips=2, overlap=2)
    path = f"/rounds/{room.round_id}/clips/{{}}/overlap"
    more, fewer = room.clip_ids
    assert api.call("PUT", path.format(more), json={"overlap": 3}).json() == {"clip_id": more, "overlap": 3}
    assert api.call("PUT", path.format(fewer), json={"overlap": 1}).json() == {"clip_id": fewer, "overlap": 1}
    held = [{lease["clip_id"] for lease in one.lease(room.project_id, 5)} for one in (alice, bob, carol)]
    assert held == [{more, fewer}, {more}, {more}]
    assert api.call("PUT", path.format(more), json={"overlap": 1}).json()["overlap"] == 3  # three hold it already
    assert api.call("PUT", path.format(999_999), json={"overlap": 1}).status_code == 404
    assert api.call("PUT", path.format(more), json={"overlap": 0}).status_code == 422
    assert api.call("PUT", path.format(more), "annotator", json={"overlap": 1}).status_code in (401, 403)


def test_an_operators_number_is_not_changed_by_the_adaptive_rule(api: Any, annotating: Any, person: Any) -> None:
    people = [person(name) for name in "abc"]
    room = annotating(api.db, clips=1, overlap=1, adaptive=ADAPTIVE)
    api.call("PUT", f"/rounds/{room.round_id}/clips/{room.clip_ids[0]}/overlap", json={"overlap": 3})
    for one in people:
        one.say(one.lease(room.project_id)[0])
    assert _states(api, room.clip_ids[0]) == {"done": 3}


def test_wanting_no_more_answers_than_there_are_ends_the_round(api: Any, annotating: Any, person: Any) -> None:
    alice, room = person("alice"), annotating(api.db, clips=1, overlap=2)
    alice.say(alice.lease(room.project_id)[0])
    api.call("PUT", f"/rounds/{room.round_id}/clips/{room.clip_ids[0]}/overlap", json={"overlap": 1})
    assert _state(api, room.round_id) == "fine_tuning"


def test_a_round_copies_the_projects_rule_or_takes_its_own(api: Any) -> None:
    project = api.project(annotating={"adaptive": ADAPTIVE})
    opened = api.post(f"/projects/{project}/rounds", json={})
    assert opened.json()["adaptive"] == ADAPTIVE
    api.post(f"/rounds/{opened.json()['id']}/cancel")
    own = {"at_least": 3, "at_most": 6, "sure": 0.9}
    assert api.post(f"/projects/{project}/rounds", json={"adaptive": own}).json()["adaptive"] == own


@pytest.mark.parametrize(
    ("labels", "expected"), [(["anger"], 0.625), (["anger"] * 2, 0.75), (["anger", "neutral"], 1.25 / 3)]
)
def test_the_posterior_is_votes_and_a_prior_worth_one_answer(labels: list[str], expected: float) -> None:
    found = posterior([_given(label) for label in labels], FOUR)
    assert found["anger"] == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(1)


def test_unclear_answers_make_nobody_surer_and_intensities_share_their_vote() -> None:
    assert sureness([_given(unclear=True)] * 5, FOUR) == pytest.approx(0.25)
    shared = posterior([_given(intensities={"anger": 0.6, "sadness": 0.2})], FOUR)
    assert (shared["anger"], shared["sadness"]) == pytest.approx(((0.25 + 0.75) / 2, (0.25 + 0.25) / 2))


def test_of_dimensions_alone_the_answers_spread_tells() -> None:
    scheme = Scheme((), (Dimension("arousal", 1, 5),))
    said = [_given(dimensions={"arousal": value}) for value in (2.0, 3.0)]
    assert sureness(said, scheme) == pytest.approx(0.75)
    assert sureness([], scheme) == 0.0
