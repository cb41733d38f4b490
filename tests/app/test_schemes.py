"""A scheme changes: answers stay as they were given, labels follow, what a split left open is asked again."""

from typing import Any

import pytest
from sqlalchemy import select, update

from al_core.scheme import Dimension, Scheme
from app.labels.given import Given
from app.labels.mapping import Step, Translation
from app.labels.service import answers, closed_clips, of_arm, references
from app.models import Annotation, Assignment, Clip, GoldClip, Project, Round
from app.specs import read_scheme

FOUR = ["anger", "happiness", "neutral", "sadness"]


def _change(api: Any, project_id: int, classes: list[str], **body: Any) -> Any:
    sent = {"classes": classes, "reason": "the pilot"} | body
    return api.post(f"/projects/{project_id}/schemes", json=sent)


def _labels(api: Any, project_id: int) -> dict[int, str | None]:
    with api.db.read() as session:
        scheme = read_scheme(session.get_one(Project, project_id).scheme)
        return {label.clip_id: label.name for label in of_arm(session, project_id, "strategy", scheme)}


def test_a_renamed_and_a_merged_class_carry_their_answers_along(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=4), person("alice")
    for lease, label in zip(alice.lease(room.project_id, 3), ("anger", "happiness", "sadness"), strict=True):
        alice.say(lease, label)
    made = _change(
        api, room.project_id, ["negative", "joy", "neutral"],
        mapping={"anger": ["negative"], "sadness": ["negative"], "happiness": ["joy"]},
    )  # fmt: skip
    assert (made.status_code, made.json()["version"], made.json()["undecided"]) == (201, 2, 0)
    assert list(_labels(api, room.project_id).values()) == ["negative", "joy", "negative"]
    alice.say(alice.lease(room.project_id)[0], "negative")
    with api.db.read() as session:
        stored = session.execute(select(Annotation.label, Annotation.scheme_version).order_by(Annotation.id)).all()
    assert list(map(tuple, stored)) == [("anger", 1), ("happiness", 1), ("sadness", 1), ("negative", 2)]


def test_a_page_that_shows_the_former_scheme_goes_on_working(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=2), person("alice")
    first, second = alice.lease(room.project_id, 2)
    _change(api, room.project_id, ["anger", "joy", "neutral", "sadness"], mapping={"happiness": ["joy"]})
    refused = alice.say(first, "happiness")
    assert refused.status_code == 422
    assert alice.say(first, "happiness", scheme_version=1).json()["scheme_version"] == 1
    assert alice.say(second, "joy").json()["scheme_version"] == 2
    assert list(_labels(api, room.project_id).values()) == ["joy", "joy"]


def test_a_split_class_is_asked_again_of_those_who_chose_it_and_counts_no_more(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice, bob = annotating(api.db, clips=3, overlap=2), person("alice"), person("bob")
    for lease, label in zip(alice.lease(room.project_id, 2), ("anger", "neutral"), strict=True):
        alice.say(lease, label)
    classes = ["hot anger", "cold anger", "happiness", "neutral", "sadness"]
    made = _change(api, room.project_id, classes, mapping={"anger": ["hot anger", "cold anger"]})
    assert (made.json()["undecided"], made.json()["asked_again"]) == (1, 1)
    assert list(_labels(api, room.project_id).values()) == ["neutral"]
    (again,) = alice.lease(room.project_id)
    assert again["clip_id"] == room.clip_ids[0]
    assert alice.say(again, "cold anger").status_code == 201
    assert _labels(api, room.project_id)[room.clip_ids[0]] == "cold anger"
    with api.db.read() as session:
        first, second = session.scalars(
            select(Annotation).where(Annotation.clip_id == room.clip_ids[0]).order_by(Annotation.id)
        ).all()
    assert (first.label, second.kind, second.supersedes_id) == ("anger", "again", first.id)
    assert room.clip_ids[0] in {lease["clip_id"] for lease in bob.lease(room.project_id, 5)}


def test_a_round_waits_for_what_a_split_left_open_and_later_ones_ask_between_rounds(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice = annotating(api.db, clips=2), person("alice")
    first, second = alice.lease(room.project_id, 2)
    alice.say(first, "anger")
    classes = ["hot anger", "cold anger", "happiness", "neutral", "sadness"]
    _change(api, room.project_id, classes, mapping={"anger": ["hot anger", "cold anger"]})
    alice.say(second, "neutral")
    with api.db.read() as session:
        assert session.get_one(Round, room.round_id).state == "annotating"
    alice.say(alice.lease(room.project_id)[0], "hot anger")
    with api.db.write() as session:
        turn = session.get_one(Round, room.round_id)
        assert turn.state == "fine_tuning"
        turn.state = "finished"
    made = _change(api, room.project_id, ["rage", "fury", *classes[1:]], mapping={"hot anger": ["rage", "fury"]})
    assert made.json()["asked_again"] == 1
    again = alice.call("POST", f"/projects/{room.project_id}/leases", json={}).json()
    assert (again["remaining"], again["round"]["state"]) == (0, "finished")
    assert alice.say(again["leases"][0], "fury").status_code == 201
    assert _labels(api, room.project_id)[room.clip_ids[0]] == "fury"


def test_left_alone_a_split_clip_has_no_label_and_no_strategy_picks_it(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=2), person("alice")
    alice.say(alice.lease(room.project_id)[0], "anger")
    classes = ["hot anger", "cold anger", "happiness", "neutral", "sadness"]
    made = _change(api, room.project_id, classes, mapping={"anger": ["hot anger", "cold anger"]}, affected="leave")
    assert (made.json()["undecided"], made.json()["asked_again"]) == (1, 0)
    with api.db.read() as session:
        assert answers(session, room.project_id) == {}
        assert closed_clips(session, room.project_id) == {room.clip_ids[0]}
        assert session.scalars(select(Assignment).where(Assignment.kind == "again")).all() == []


def test_reference_labels_gold_and_examples_follow(api: Any, annotating: Any) -> None:
    room = annotating(api.db, clips=3)
    a, b, c = room.clip_ids
    with api.db.write() as session:
        for clip, label in ((a, "anger"), (b, "sadness"), (c, "happiness")):
            session.execute(update(Clip).where(Clip.id == clip).values(reference_label=label))
    api.post(f"/projects/{room.project_id}/gold", json={"clips": [{"clip_id": a}, {"clip_id": b}]})
    examples = {"annotating": {"examples": {"happiness": [c], "anger": [a]}}}
    api.call("PATCH", f"/projects/{room.project_id}", json=examples)
    swap = {"anger": ["sadness"], "sadness": ["anger"], "happiness": ["joy", "relief"]}
    classes = ["anger", "joy", "relief", "neutral", "sadness"]
    refused = _change(api, room.project_id, classes, mapping=swap)
    assert refused.status_code == 409
    assert "1 clips have a reference label of happiness" in refused.json()["detail"]
    made = _change(api, room.project_id, classes, mapping=swap, drop_references=True).json()
    assert (made["references"], made["references_dropped"]) == (2, 1)
    with api.db.read() as session:
        known = references(session, room.project_id, "train", Scheme(tuple(classes)))
        assert [(label.clip_id, label.name) for label in known] == [(a, "sadness"), (b, "anger")]
        gold = dict(session.execute(select(GoldClip.clip_id, GoldClip.labels)).all())
        assert gold == {a: ["sadness"], b: ["anger"]}
    project = api.get(f"/projects/{room.project_id}").json()
    assert project["annotating"]["examples"] == {"sadness": [a]}
    assert project["scheme_version"] == 2


def test_every_version_is_listed_with_its_mapping_and_reason(api: Any) -> None:
    project = api.project()
    _change(api, project, [*FOUR, "disgust"])
    _change(api, project, FOUR, mapping={"disgust": []}, reason="never heard")
    items = api.get(f"/projects/{project}/schemes", "viewer").json()["items"]
    assert [(one["version"], one["reason"]) for one in items] == [(1, "the pilot"), (2, "never heard"), (3, None)]
    assert items[1]["mapping"] == {name: [name] for name in FOUR} | {"disgust": []}
    assert items[2]["scheme"]["classes"] == FOUR


@pytest.mark.parametrize(
    ("classes", "body", "status", "says"),
    [
        (FOUR, {}, 422, "this is the scheme in use"),
        (FOUR[:3], {}, 422, "say what becomes of 'sadness'"),
        (FOUR, {"mapping": {"rage": ["anger"]}}, 422, "'rage' is no class in use"),
        (["joy", *FOUR[2:]], {"mapping": {"anger": ["rage"], "happiness": ["joy"]}}, 422, "'rage' is not among"),
        (["anger"], {"mapping": {name: ["anger"] for name in FOUR}}, 422, "at least two"),
        (["anger", "anger"], {"mapping": {name: ["anger"] for name in FOUR}}, 422, "named twice"),
    ],
)
def test_what_does_not_say_what_becomes_of_everything_is_refused(
    api: Any, classes: list[str], body: dict[str, Any], status: int, says: str
) -> None:
    refused = _change(api, api.project(), classes, **body)
    assert refused.status_code == status
    assert says in refused.json()["detail"]


def test_a_scheme_is_not_changed_while_a_job_reads_it(api: Any) -> None:
    project = api.project()
    api.post(f"/projects/{project}/rounds", json={})
    assert _change(api, project, [*FOUR, "disgust"]).status_code == 409
    assert api.post(f"/projects/{project}/schemes", "annotator", json={}).status_code == 403


def _given(version: int, **content: Any) -> Given:
    return Given(
        1, 1, 1, version, **({"label": None, "intensities": None, "unclear": False, "dimensions": None} | content)
    )


WAY = Translation(
    (
        Step(Scheme(("a", "b", "c"), (Dimension("x", 1, 5),)), {"a": ["ab"], "b": ["ab"], "c": ["c"]}),
        Step(Scheme(("ab", "c"), (Dimension("x", 0, 1),)), {"ab": ["d", "e"], "c": []}),
    ),
    Scheme(("d", "e", "f"), (Dimension("x", 0, 10),)),
)


def test_answers_are_read_through_every_change_since() -> None:
    assert WAY.version == 3
    assert WAY.classes("a", 1) == ["d", "e"]
    assert WAY.classes("c", 1) == []
    assert WAY.bring(_given(1, label="a")) is None
    assert WAY.bring(_given(3, label="f")) == _given(3, label="f")
    assert WAY.bring(_given(1, unclear=True)) == _given(3, unclear=True)
    moved = WAY.bring(_given(1, label="a", dimensions={"x": 3.0}))
    assert moved is not None
    assert (moved.label, moved.dimensions) == (None, {"x": 5.0})
    assert not WAY.decides(_given(1, label="a", dimensions={"x": 3.0}))
    assert WAY.decides(_given(1, dimensions={"x": 3.0}))


def test_intensities_of_merged_classes_take_the_stronger_and_dropped_ones_fall_out() -> None:
    way = Translation((Step(Scheme(("a", "b", "c")), {"a": ["ab"], "b": ["ab"], "c": []}),), Scheme(("ab", "d")))
    found = way.bring(_given(1, label="b", intensities={"a": 0.3, "b": 0.8, "c": 0.5}))
    assert found is not None
    assert (found.label, found.intensities) == ("ab", {"ab": 0.8})
    assert way.bring(_given(1, label="c", intensities={"c": 1.0})) is None
