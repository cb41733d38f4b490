"""What goes to Label Studio and what is taken back."""

import httpx
from sqlalchemy import select

from app.db import utcnow
from app.label_studio.push import push, retract
from app.label_studio.service import disconnect
from app.models import Checkpoint, Guess, LabelStudioTask, Project
from tests.app.label_studio.conftest import World


def test_a_round_is_pushed_once_and_blind(world: World):
    world.connect()
    first = list(push(world.db, world.project_id, True))[-1]
    again = list(push(world.db, world.project_id, True))[-1]
    assert (first.created, first.unchanged, again.created, again.unchanged) == (3, 0, 0, 3)
    tasks = world.tasks()
    assert sorted(tasks) == world.clip_ids
    for clip_id, task in tasks.items():
        assert task["data"].keys() == {"audio", "afterloop"}
        assert task["data"]["afterloop"] == {"clip_id": clip_id}  # no name, no speaker, no split
        assert not task.get("predictions")


def test_the_audio_opens_without_a_token_and_only_with_our_signature(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    urls = [world.tasks()[clip]["data"]["audio"] for clip in world.clip_ids[:2]]
    heard = httpx.get(urls[0], headers={"Range": "bytes=0-3"})
    assert (heard.status_code, heard.content) == (206, b"RIFF")
    assert heard.headers["access-control-allow-origin"] == "*"
    assert httpx.get(urls[0].split("?")[0], params={"signature": "0" * 64}).status_code == 403
    stolen = urls[0].split("?")[0] + "?" + urls[1].split("?")[1]
    assert httpx.get(stolen).status_code == 403
    with world.db.write() as session:
        disconnect(session, world.project_id)
    assert httpx.get(urls[0]).status_code == 404


def test_guesses_go_along_where_the_project_shows_them_and_are_recorded(world: World):
    with world.db.write() as session:
        session.get_one(Project, world.project_id).annotating = {"preannotations": True}
        made = Checkpoint(project_id=world.project_id, kind="classifier", folder="f", encoder_digest="d", recipe={},
                          report={}, created_at=utcnow())  # fmt: skip
        session.add(made)
        session.flush()
        shares = {"anger": 0.8, "happiness": 0.1, "neutral": 0.1}
        session.add(Guess(clip_id=world.clip_ids[0], checkpoint_id=made.id, label="anger", probabilities=shares))
    world.connect()
    assert list(push(world.db, world.project_id, True))[-1].predictions == 1
    tasks = world.tasks()
    (prediction,) = tasks[world.clip_ids[0]]["predictions"]
    assert (prediction["score"], prediction["result"][0]["value"]) == (0.8, {"choices": ["anger"]})
    assert not tasks[world.clip_ids[1]]["predictions"]
    for clip_id in world.clip_ids[:2]:
        world.annotate(tasks[clip_id]["id"], "anger")
    shown = {event.clip_id: event.shown for event in world.wait(2)}
    assert shown[world.clip_ids[0]]["label"] == "anger"
    assert shown[world.clip_ids[1]] is None


def test_a_push_that_died_before_it_remembered_makes_no_task_twice(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    with world.db.write() as session:
        session.query(LabelStudioTask).delete()
    report = list(push(world.db, world.project_id, True))[-1]
    assert (report.created, report.unchanged) == (0, 3)
    with world.db.read() as session:
        assert len(session.scalars(select(LabelStudioTask)).all()) == 3


def test_what_nobody_answered_is_taken_back_when_the_round_closes(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    world.annotate(world.tasks()[world.clip_ids[0]]["id"], "anger")
    world.wait(1)
    closed = httpx.post(f"{world.our_url}/api/v1/rounds/1/close", headers=world.operator)
    assert closed.status_code == 200
    assert list(retract(world.db, world.project_id, True))[-1].removed == 2
    assert sorted(world.tasks()) == world.clip_ids[:1]
