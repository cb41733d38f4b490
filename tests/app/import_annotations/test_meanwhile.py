"""What others do while answers are imported: rounds that are held, deadlocks, a process that ends."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg.errors
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import Database
from app.imports.incoming import Incoming
from app.imports.settling import Settled, settle
from app.models import Annotation, Round
from app.rounds.service import lock


def _answers(database: Database, project_id: int) -> int:
    with database.read() as session:
        return session.scalars(select(func.count()).where(Annotation.project_id == project_id)).one()


def test_a_round_that_somebody_has_meanwhile_is_closed_after_its_last_answer_too(api, bring, annotating):
    if api.db.is_sqlite:
        pytest.skip("SQLite's writers are alone")
    made = annotating(api.db, clips=1, overlap=1)
    rows = [{"external_id": "calls 0", "annotator": "annotator", "annotation": "anger"}]
    with ThreadPoolExecutor() as pool:
        with api.db.write() as other:
            lock(other, made.round_id)
            brought = pool.submit(bring, made.project_id, rows)
            while not _answers(api.db, made.project_id):
                assert not brought.done(), brought.result()
                time.sleep(0.02)
        assert brought.result().created == 1
    with api.db.read() as session:
        assert session.get_one(Round, made.round_id).state == "fine_tuning"


def test_the_same_file_again_closes_a_round_that_an_import_left_open(api, bring, annotating, monkeypatch):
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    made = annotating(api.db, clips=1, overlap=1)
    rows = [{"external_id": "calls 0", "annotator": "annotator", "annotation": "anger"}]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("app.imports.annotations.close_if_done", killed)
        patch.setattr("app.annotations.service.close_if_free", lambda *_, **__: False)
        bring(made.project_id, rows)
    assert bring(made.project_id, rows).unchanged == 1
    with api.db.read() as session:
        assert session.get_one(Round, made.round_id).state == "fine_tuning"


def test_a_batch_that_lost_a_deadlock_is_settled_again(api, bring, project, monkeypatch):
    settled = []

    def crossed_once(session: Session, row: Incoming, *arguments: Any, **more: Any) -> Settled:
        settled.append(row.clip.external_id)
        if settled == ["c0", "c1"]:
            raise OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())
        return settle(session, row, *arguments, **more)

    monkeypatch.setattr("app.imports.annotations.settle", crossed_once)
    rows = [{"external_id": f"c{i}", "annotator": "a", "annotation": "anger"} for i in range(3)]
    assert bring(project, rows).created == 3
    assert settled == ["c0", "c1", "c0", "c1", "c2"]
    assert _answers(api.db, project) == 3
