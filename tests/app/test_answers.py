"""What may be answered: whatever the scheme and the project declare, and nothing else."""

from typing import Any

import pytest

from al_core.scheme import Dimension, Scheme

AROUSAL, VALENCE = Dimension("arousal", 1, 5), Dimension("valence", -1, 1)
BOTH = Scheme(("anger", "happiness", "neutral"), (AROUSAL, VALENCE))
DIMENSIONS = Scheme((), (AROUSAL, VALENCE))


def _one(api: Any, annotating: Any, person: Any, **made: Any) -> tuple[Any, dict[str, Any]]:
    """An annotator and his lease."""
    alice, room = person("alice"), annotating(api.db, clips=1, overlap=2, **made)
    return alice, alice.lease(room.project_id)[0]


def test_several_classes_are_kept_with_their_intensities_and_the_strongest_is_the_label(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, lease = _one(api, annotating, person, several_classes=True)
    stored = alice.say(lease, None, intensities={"anger": 0.4, "sadness": 0.9}, key="k")
    assert stored.status_code == 201
    told = stored.json()
    assert (told["label"], told["intensities"]) == ("sadness", {"anger": 0.4, "sadness": 0.9})
    assert alice.say(lease, None, intensities={"anger": 0.4, "sadness": 0.9}, key="k").json() == told
    assert alice.say(lease, None, intensities={"anger": 0.5, "sadness": 0.9}, key="k").status_code == 409


def test_two_equally_strong_classes_have_no_label_of_their_own(api: Any, annotating: Any, person: Any) -> None:
    alice, lease = _one(api, annotating, person, several_classes=True)
    assert alice.say(lease, None, intensities={"anger": 0.7, "sadness": 0.7}).json()["label"] is None


def test_that_no_class_can_be_told_is_an_answer_where_the_project_allows_it(
    api: Any, annotating: Any, person: Any
) -> None:
    alice, lease = _one(api, annotating, person, unclear=True)
    told = alice.say(lease, None, unclear=True, comment="laughter").json()
    assert (told["unclear"], told["label"], told["comment"]) == (True, None, "laughter")


def test_dimensions_go_beside_a_class_on_their_own_scales(api: Any, annotating: Any, person: Any) -> None:
    alice, lease = _one(api, annotating, person, scheme=BOTH)
    told = alice.say(lease, "anger", dimensions={"arousal": 4.5, "valence": -0.5}).json()
    assert (told["label"], told["dimensions"]) == ("anger", {"arousal": 4.5, "valence": -0.5})


def test_a_scheme_of_dimensions_alone_is_answered_without_a_class(api: Any, annotating: Any, person: Any) -> None:
    alice, lease = _one(api, annotating, person, scheme=DIMENSIONS)
    assert alice.say(lease, "anger").status_code == 422
    assert alice.say(lease, None, dimensions={"arousal": 2}).status_code == 201


@pytest.mark.parametrize(
    ("declared", "body", "says"),
    [
        ({}, {"intensities": {"anger": 1.0}}, "wants one class"),
        ({}, {"unclear": True}, "wants a class for every clip"),
        ({"unclear": True}, {"unclear": True, "label": "anger"}, "not both"),
        ({"several_classes": True}, {"intensities": {"rage": 1.0}}, "'rage' is not in the scheme"),
        ({"several_classes": True}, {"intensities": {"anger": 0.0}}, "at least one is above 0"),
        ({"several_classes": True}, {"intensities": {"anger": 0.2, "neutral": 0.9}, "label": "anger"}, "the strongest"),
        ({"several_classes": True}, {"intensities": {"anger": 1.5}}, "less than or equal to 1"),
        ({}, {"label": "anger", "dimensions": {"arousal": 3}}, "its dimensions are none"),
        ({"scheme": BOTH}, {"label": "anger", "dimensions": {"arousal": 6}}, "arousal 6 is outside of 1–5"),
        ({"scheme": BOTH}, {"dimensions": {"arousal": 3}}, "one of anger, happiness, neutral"),
        ({"scheme": DIMENSIONS, "unclear": True}, {"dimensions": {"mood": 3}}, "'mood' is not in the scheme"),
        ({}, {}, "send a label, intensities, dimensions, or unclear"),
        ({}, {"label": "anger", "scheme_version": 2}, "the newest is 1"),
    ],
)  # fmt: skip
def test_what_the_project_does_not_ask_for_is_refused_by_name_and_the_lease_kept(
    api: Any, annotating: Any, person: Any, declared: dict[str, Any], body: dict[str, Any], says: str
) -> None:
    alice, lease = _one(api, annotating, person, **declared)
    refused = alice.say(lease, **({"label": None} | body))
    assert refused.status_code == 422
    assert says in refused.json()["detail"]
    assert alice.call("POST", f"/leases/{lease['lease_id']}/heartbeat").status_code == 200


def test_a_reloaded_page_goes_on_with_the_clips_it_held(api: Any, annotating: Any, person: Any) -> None:
    alice, bob, room = person("alice"), person("bob"), annotating(api.db, clips=4)
    leases = alice.lease(room.project_id, 3)
    alice.say(leases[0])
    assert alice.held(room.project_id) == leases[1:]
    assert bob.held(room.project_id) == []


def test_the_leases_sent_are_the_leases_described(api: Any, annotating: Any, person: Any) -> None:
    from app.annotations.schemas import LeasesOut, UndoneOut

    alice, room = person("alice"), annotating(api.db, clips=2)
    sent = alice.call("POST", f"/projects/{room.project_id}/leases", json={"count": 2})
    assert LeasesOut.model_validate_json(sent.text, strict=False).leases[0].peaks == [0.1, 0.9]
    alice.say(sent.json()["leases"][0])
    assert UndoneOut.model_validate_json(alice.undo(room.project_id).text).leases[0].peaks == [0.1, 0.9]


def test_my_answers_are_listed_newest_first_in_pages(api: Any, annotating: Any, person: Any) -> None:
    alice, room = person("alice"), annotating(api.db, clips=3, overlap=2)
    person("bob")
    first, second, third = alice.lease(room.project_id, 3)
    answered = alice.say(first).json()
    alice.skip(second)
    alice.say(third, "neutral")
    revised = alice.revise(answered["id"], "sadness").json()
    path = f"/projects/{room.project_id}/annotations/mine"
    page = alice.call("GET", path, params={"limit": 3}).json()
    assert [(one["label"], one["skip_reason"], one["state"], one["revisable"]) for one in page["items"]] == [
        ("sadness", None, "live", True),
        ("neutral", None, "live", True),
        (None, "unsure", "live", False),
    ]
    assert page["items"][0]["id"] == revised["id"]
    rest = alice.call("GET", path, params={"before": page["next_before"]}).json()
    assert [(one["label"], one["state"]) for one in rest["items"]] == [("anger", "revised")]
    assert rest["next_before"] is None
    assert person("carol").call("GET", path).json()["items"] == []
