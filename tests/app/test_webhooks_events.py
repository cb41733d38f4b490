"""What is told: every answer, skip, revision and withdrawal, the labels they make, and every turn of a round."""

import pytest
from sqlalchemy import select, update

from app.db import Database, utcnow
from app.jobs import queue
from app.models import Adjudication, Job, OutboxEvent, Project, Round
from app.rounds.moves import move
from app.rounds.service import cancel_round, open_round
from app.webhooks import consequences, deliveries, outbox
from app.webhooks.service import create_webhook


@pytest.fixture
def told(api, annotating):
    """A round of two clips that two people answer, in a project somebody listens to."""
    made = annotating(api.db, clips=2, overlap=2)
    with api.db.write() as session:
        create_webhook(session, made.project_id, "http://127.0.0.1:1/", [], now=utcnow())
    return made


def _lease(api, project_id: int, role: str) -> str:
    leases = api.post(f"/projects/{project_id}/leases", role, json={"count": 1}).json()["leases"]
    return leases[0]["lease_id"]


def _answer(api, lease: str, role: str, key: str, **body: object):
    return api.post(f"/leases/{lease}/annotation", role, json=body, headers={"Idempotency-Key": key})


def _both(api, told, annotator: str, operator: str) -> None:
    """Both people answer both clips, each always the same."""
    for turn in range(2):
        for role, label in (("annotator", annotator), ("operator", operator)):
            lease = _lease(api, told.project_id, role)
            assert _answer(api, lease, role, f"{role} {turn}", label=label).status_code == 201


def _work_off(database: Database) -> None:
    """Fan out until nothing follows any more."""
    while True:
        with database.write() as session:
            events = deliveries.fan_out(session, [event.id for event in deliveries.waiting(session)], now=utcnow())
            consequences.follow(session, events, consequences.labels_made(session, events), now=utcnow())
        if not events:
            return


def _kinds(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(OutboxEvent.kind).order_by(OutboxEvent.id)))


def test_the_last_answer_makes_a_label_and_closes_the_round(api, told):
    _both(api, told, "anger", "anger")
    _work_off(api.db)
    assert sorted(_kinds(api.db)) == ["annotation.created"] * 4 + ["label.created"] * 2 + ["round.closed"]
    with api.db.read() as session:
        labels = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.kind == "label.created")).all()
        answers = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.kind == "annotation.created")).all()
    assert sorted((label["clip_id"], label["label"], label["n_answers"]) for label in labels) == [
        (clip_id, "anger", 2) for clip_id in told.clip_ids
    ]
    assert {answer["label"] for answer in answers} == {"anger"}
    assert {"annotation_id", "clip_id", "account_id", "scheme_version", "intensities"} <= answers[0].keys()


def test_a_dispute_is_no_label_until_somebody_rules(api, told):
    _both(api, told, "anger", "neutral")
    _work_off(api.db)
    assert "label.created" not in _kinds(api.db)
    with api.db.write() as session:
        ruled = {"decision": "label", "label": "neutral", "scheme_version": 1, "reason": "the voice is flat"}
        clip_id = told.clip_ids[0]
        session.add(
            Adjudication(project_id=told.project_id, clip_id=clip_id, account_id=1, created_at=utcnow(), **ruled)
        )
        session.flush()
        outbox.emit(session, told.project_id, "adjudication.created", {"clip_id": clip_id})
    _work_off(api.db)
    with api.db.read() as session:
        (label,) = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.kind == "label.created"))
    assert (label["clip_id"], label["label"], label["source"]) == (clip_id, "neutral", "adjudication")


def test_a_label_is_told_once_however_often_its_events_are_looked_at(api, told):
    _both(api, told, "anger", "anger")
    _work_off(api.db)
    with api.db.write() as session:
        session.execute(update(OutboxEvent).values(fanned_out=False))
        events = session.scalars(select(OutboxEvent)).all()
        consequences.follow(session, events, consequences.labels_made(session, events), now=utcnow())
    assert _kinds(api.db).count("label.created") == 2


@pytest.mark.parametrize("estimator", ["majority", "dawid_skene", "mace"])
def test_labels_are_those_of_the_projects_estimator(api, told, estimator):
    with api.db.write() as session:
        session.get_one(Project, told.project_id).annotating = {"labels": {"kind": estimator}}
    _both(api, told, "anger", "anger")
    _work_off(api.db)
    assert _kinds(api.db).count("label.created") == 2


def test_skips_revisions_and_withdrawals_are_told(api, told):
    skipped = _lease(api, told.project_id, "annotator")
    assert api.post(f"/leases/{skipped}/skip", "annotator", json={"reason": "bad_audio"}).status_code == 201
    answered = _answer(api, _lease(api, told.project_id, "annotator"), "annotator", "a", label="anger").json()
    revision = {"json": {"label": "neutral"}, "headers": {"Idempotency-Key": "b"}}
    assert api.post(f"/annotations/{answered['id']}/revision", "annotator", **revision).status_code == 201
    undo = {"json": {"count": 1}, "headers": {"Idempotency-Key": "c"}}
    assert api.post(f"/projects/{told.project_id}/undo", "annotator", **undo).status_code == 200
    kinds = _kinds(api.db)
    assert kinds == ["annotation.skipped", "annotation.created", "annotation.revised", "annotation.withdrawn"]


def test_an_answer_that_is_repeated_is_told_once(api, told):
    lease = _lease(api, told.project_id, "annotator")
    for _ in range(3):
        assert _answer(api, lease, "annotator", "same", label="anger").status_code in (200, 201)
    assert _kinds(api.db) == ["annotation.created"]


def test_every_turn_of_a_round_is_told(api):
    project_id = api.project()
    with api.db.write() as session:
        create_webhook(session, project_id, "http://127.0.0.1:1/", [], now=utcnow())
        turn = open_round(session, project_id, now=utcnow())
        for begin, end in (("acquiring", "annotating"), ("annotating", "fine_tuning"), ("fine_tuning", "evaluating")):
            move(session, turn.id, begin, end)
        move(session, turn.id, "evaluating", "finished")
        session.execute(update(Job).values(state="succeeded"))
        session.expire_all()
        second = open_round(session, project_id, now=utcnow())
        cancel_round(session, second.id, now=utcnow())
        third = open_round(session, project_id, now=utcnow())
        claim = queue.claim(session, "w", 60, now=utcnow())
        queue.fail(session, claim.job_id, claim.fence, "SomeError", "it broke", now=utcnow())
        session.expire_all()
        assert session.get_one(Round, third.id).state == "failed"
    assert _kinds(api.db) == ["round.ready", "round.closed", "round.finished", "round.cancelled", "round.failed"]
    with api.db.read() as session:
        payload = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.kind == "round.failed")).one()
    assert payload["number"] == 2
    assert "it broke" in payload["error"]


def test_a_round_that_label_studio_follows_is_pushed_and_taken_back(api):
    from app.models import LabelStudioLink

    project_id = api.project()
    with api.db.write() as session:
        link = {"url": "http://ls", "token": "t", "their_project": 1, "our_url": "http://us", "secret": "s"}
        session.add(LabelStudioLink(project_id=project_id, people={}, follow=True, created_at=utcnow(), **link))
        turn = open_round(session, project_id, now=utcnow())
        move(session, turn.id, "acquiring", "annotating")
        move(session, turn.id, "annotating", "fine_tuning")
    _work_off(api.db)
    with api.db.read() as session:
        jobs = session.scalars(select(Job.payload).where(Job.kind == "label_studio").order_by(Job.id)).all()
    assert [job["do"] for job in jobs] == ["push", "retract"]
