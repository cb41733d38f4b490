"""Answers given in Label Studio become ours once, whichever way they come."""

import io
import json
import time

from sqlalchemy import select

from app.exports.service import export
from app.imports.annotations import import_annotations
from app.label_studio.pull import pull
from app.label_studio.push import push
from app.label_studio.results import regions
from app.models import Account, Annotation, Assignment, LabelStudioLink, Round
from tests.app.label_studio.conftest import World


def test_answers_come_by_webhook_and_a_pull_adds_nothing(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    tasks = world.tasks()
    labels = dict(zip(world.clip_ids, ("anger", "neutral", "happiness"), strict=True))
    for clip_id, label in labels.items():
        world.annotate(tasks[clip_id]["id"], label)
    events = world.wait(3)
    assert {event.clip_id: event.label for event in events} == labels
    report = list(pull(world.db, world.project_id, True))[-1]
    assert (report.created, report.unchanged, report.refused, report.conflict) == (0, 3, 0, 0)
    with world.db.read() as session:
        names = set(session.scalars(select(Account.name).join(Annotation, Annotation.account_id == Account.id)))
        assert names == {"ls@example.org"}
        assert session.scalars(select(Round.state)).one() == "fine_tuning"
        assert set(session.scalars(select(Assignment.state))) == {"done"}
    assert all(event.seconds == 2.5 for event in events)


def test_a_pull_finds_what_the_webhooks_lost(world: World):
    link = world.connect()
    list(push(world.db, world.project_id, True))
    with world.db.write() as session:  # every call of Label Studio is refused from now on
        session.get_one(LabelStudioLink, link.id).secret = "another"
    for task in world.tasks().values():
        world.annotate(task["id"], "anger")
    time.sleep(0.5)
    assert world.events() == []
    assert list(pull(world.db, world.project_id, True))[-1].created == 3
    assert list(pull(world.db, world.project_id, True))[-1].unchanged == 3


def test_an_answer_changed_over_there_is_a_revision_here(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    made = world.annotate(world.tasks()[world.clip_ids[0]]["id"], "anger")
    world.wait(1)
    world.call("PATCH", f"/api/annotations/{made['id']}/", {"result": regions({"label": "neutral"})})
    first, second = world.wait(2)
    assert (first.label, second.label, second.supersedes_id) == ("anger", "neutral", first.id)
    report = list(pull(world.db, world.project_id, True))[-1]
    assert (report.created, report.revised, report.unchanged) == (0, 0, 1)


def test_a_skip_over_there_is_a_skip_here(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    ids = {clip: task["id"] for clip, task in world.tasks().items()}
    world.annotate(ids[world.clip_ids[0]], "anger", result=[], was_cancelled=True)
    world.annotate(ids[world.clip_ids[1]], "anger", result=regions({"skip_reason": "bad_audio"}))
    reasons = [event.skip_reason for event in world.wait(2)]
    assert reasons == ["unsure", "bad_audio"]


def test_what_label_studio_exports_is_what_we_import(world: World):
    """Our JSON → Label Studio → its JSON → us: nothing new, nothing lost."""
    link = world.connect()
    list(push(world.db, world.project_id, True))
    world.annotate(world.tasks()[world.clip_ids[0]]["id"], "anger")
    world.wait(1)
    told = json.loads("".join(export(world.db, world.project_id, "annotations", "label_studio")))
    if world.stand_in is not None:  # it keeps what it gets: that is the real one's to show
        data = json.dumps(told).encode()
    else:
        config = world.call("GET", f"/api/projects/{link.their_project}/")["label_config"]
        second = world.call("POST", "/api/projects/", {"title": "second", "label_config": config})["id"]
        world.call("POST", f"/api/projects/{second}/import", told)
        data = json.dumps(world.call("GET", f"/api/projects/{second}/export?exportType=JSON")).encode()
    report = list(import_annotations(world.db, world.project_id, io.BytesIO(data), "label_studio"))[-1]
    assert (report.created, report.revised, report.unchanged, report.refused, report.conflict) == (0, 0, 1, 0, 0)
