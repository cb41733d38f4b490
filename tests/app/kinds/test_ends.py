"""How the jobs of a round end when they cannot go on, and what they leave."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.db import utcnow
from app.jobs import queue
from app.jobs.child import run_job
from app.models import Checkpoint, Clip, CurvePoint, Job, Pick, Project, Round
from app.rounds.service import retry_round
from app.settings import Settings
from tests.app.kinds.conftest import REST, ROUND, Tones


def test_an_empty_pool_fails_the_round_and_says_what_to_do(tones: Tones) -> None:
    tones.open(batch_size=8, control_size=0)
    tones.run()
    tones.annotate()
    tones.run()
    turn = tones.open()
    assert tones.run() == [("acquire", "failed")]
    assert tones.round(turn).state == "failed"
    assert "PoolEmptyError: no training clip is left to pick" in str(tones.round(turn).error)


def test_labels_of_one_class_finish_the_round_without_a_checkpoint(tones: Tones) -> None:
    turn = tones.open()
    tones.run()
    tones.annotate(lambda _: "high")
    assert tones.run() == [("fine_tune", "succeeded")]
    assert tones.round(turn).state == "finished"
    assert "the 4 labels of the strategy arm name fewer than two classes" in str(tones.round(turn).error)


@pytest.mark.parametrize(
    ("keep", "reason"), [(None, "no test clip has a reference label"), ("high", "the test split has no clip of low")]
)
def test_a_test_split_that_cannot_be_evaluated_leaves_no_point_but_the_reason(
    tones: Tones, keep: str | None, reason: str
) -> None:
    with tones.db.write() as session:
        gone = (Clip.split == "test", Clip.reference_label.is_distinct_from(keep))
        session.execute(update(Clip).where(*gone).values(reference_label=None))
    turn = tones.open()
    tones.run()
    tones.annotate()
    assert tones.run() == REST
    finished = tones.round(turn)
    assert finished.state == "finished" and reason in str(finished.error)
    with tones.db.read() as session:
        assert session.scalars(select(CurvePoint)).all() == []
        assert session.scalars(select(Checkpoint.arm).where(Checkpoint.promoted_at.is_not(None))).all() == ["strategy"]


def test_a_mended_encoder_lets_a_failed_round_be_retried(tones: Tones, encoder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(encoder, broken)
    (broken / "model.safetensors").unlink()
    with tones.db.write() as session:
        session.execute(update(Project).values(encoder=str(broken)))
    turn = tones.open()
    assert tones.run() == [("acquire", "failed")]
    assert "EncoderError" in str(tones.round(turn).error)
    shutil.copy(encoder / "model.safetensors", broken)
    with tones.db.write() as session:
        retry_round(session, turn, now=utcnow())
    assert tones.run() == ROUND
    assert tones.round(turn).state == "annotating"


def test_a_round_cancelled_while_its_job_runs_is_left_alone(tones: Tones, settings: Settings) -> None:
    turn = tones.open()
    with tones.db.write() as session:
        claim = queue.claim(session, "test", 60, now=utcnow())
        session.execute(update(Round).values(state="cancelled"))
    assert claim is not None
    run_job(settings, tones.db, claim)
    with tones.db.read() as session:
        job = session.get_one(Job, claim.job_id)
        assert session.scalars(select(Pick)).all() == []
    assert job.state == "failed"
    assert job.error is not None and job.error["name"] == "RoundMovedError"
    assert tones.round(turn).state == "cancelled"


def test_a_holder_that_lost_its_lease_stores_nothing(tones: Tones, settings: Settings) -> None:
    turn = tones.open()
    with tones.db.write() as session:
        claim = queue.claim(session, "test", 60, now=utcnow())
        session.execute(update(Job).values(fence=Job.fence + 1))
    assert claim is not None
    run_job(settings, tones.db, claim)
    with tones.db.read() as session:
        assert session.get_one(Job, claim.job_id).state == "running"
        assert session.scalars(select(Pick)).all() == []
    assert tones.round(turn).state == "acquiring"
