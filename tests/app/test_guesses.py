"""What a checkpoint hears is hidden from annotators unless the project shows it, and then every annotation says so."""

from typing import Any

import pytest
from sqlalchemy import select

from app.db import utcnow
from app.models import Annotation, Assignment, Checkpoint, Guess


def _guess(api: Any, room: Any) -> None:
    """A promoted checkpoint and its guesses for all but the last clip."""
    made = {"kind": "classifier", "folder": f"f{room.project_id}", "encoder_digest": "d", "recipe": {}, "report": {}}
    with api.db.write() as session:
        checkpoint = Checkpoint(project_id=room.project_id, created_at=utcnow(), promoted_at=utcnow(), **made)
        session.add(checkpoint)
        session.flush()
        for clip_id in room.clip_ids[:-1]:
            session.add(
                Guess(
                    clip_id=clip_id, checkpoint_id=checkpoint.id, label="anger",
                    probabilities={"anger": 0.7, "neutral": 0.3},
                )
            )  # fmt: skip


def _shown(api: Any) -> list[Any]:
    with api.db.read() as session:
        return list(session.scalars(select(Annotation.shown).order_by(Annotation.id)))


def test_annotators_are_blind_unless_the_project_says_otherwise(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=2), person("alice")
    _guess(api, room)
    (lease,) = alice.lease(room.project_id)
    assert lease["guess"] is None
    assert alice.say(lease).json()["shown"] is None
    assert _shown(api) == [None]


def test_a_shown_guess_is_on_the_lease_and_on_every_annotation(api: Any, annotating: Any, person: Any) -> None:
    room, alice = annotating(api.db, clips=3, preannotations=True), person("alice")
    _guess(api, room)
    leases = alice.lease(room.project_id, 3)
    told = leases[0]["guess"]
    assert (told["label"], told["probabilities"]) == ("anger", {"anger": 0.7, "neutral": 0.3})
    assert leases[2]["guess"] is None
    assert alice.held(room.project_id) == leases
    answered = alice.say(leases[0], "neutral").json()
    assert answered["shown"] == told
    alice.revise(answered["id"], "anger")
    alice.skip(leases[1])
    alice.say(leases[2])
    assert _shown(api) == [told, told, told, None]


def test_what_was_shown_is_what_the_holder_saw_and_not_what_is_shown_now(
    api: Any, annotating: Any, person: Any
) -> None:
    room, alice, bob = annotating(api.db, clips=2, preannotations=True), person("alice"), person("bob")
    _guess(api, room)
    (lease,) = alice.lease(room.project_id)
    with api.db.write() as session:
        session.get_one(Guess, room.clip_ids[0]).label = "neutral"
    assert alice.say(lease).json()["shown"]["label"] == "anger"
    back = alice.undo(room.project_id).json()["leases"][0]
    assert back["guess"]["label"] == "anger"
    alice.call("POST", f"/leases/{back['lease_id']}/release")
    api.call("PATCH", f"/projects/{room.project_id}", json={"annotating": {"preannotations": False}})
    (lease,) = bob.lease(room.project_id)
    assert lease["guess"] is None
    assert bob.say(lease).json()["shown"] is None
    with api.db.read() as session:
        assert set(session.scalars(select(Assignment.shown))) == {None}


@pytest.mark.parametrize("path", ["disputes", "annotators", "agreement", "gold"])
def test_annotators_read_nothing_that_others_said_or_that_would_unblind_them(api: Any, path: str) -> None:
    project = api.project()
    assert api.get(f"/projects/{project}/{path}", "annotator").status_code == 403
    assert api.get(f"/projects/{project}/{path}").status_code == 200
