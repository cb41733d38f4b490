"""The queue: claims, fences, heartbeats, and how jobs end."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from al_core.scheme import Scheme
from app.db import Database, utcnow
from app.jobs import queue
from app.jobs.queue import LeaseLostError
from app.models import Job, JobEvent, JobState, Round, RoundState
from app.projects.service import create_project
from app.rounds.service import open_round

LEASE_S = 30.0
NOW = utcnow()
LATER = NOW + timedelta(seconds=LEASE_S + 1)


@pytest.fixture
def project(database: Database) -> int:
    return _project(database, "calls")


def _project(database: Database, name: str) -> int:
    with database.write() as session:
        return create_project(session, name=name, scheme=Scheme(("anger", "neutral")), encoder="x", now=NOW).id


def _enqueue(database: Database, project: int, kind: queue.Kind = "predict") -> int:
    with database.write() as session:
        return queue.enqueue(session, kind, project, {"a": 1}, now=NOW).id


def _claim(database: Database, now=NOW, worker: str = "w1") -> queue.Claim | None:
    with database.write() as session:
        return queue.claim(session, worker, LEASE_S, now=now)


def _job(database: Database, job_id: int) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def test_a_job_of_a_transaction_that_fails_does_not_exist(database: Database, project: int) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        queue.enqueue(session, "predict", project, now=NOW)
        raise RuntimeError
    assert _claim(database) is None


def test_a_claim_takes_the_oldest_job_and_raises_its_fence(database: Database, project: int) -> None:
    first = _enqueue(database, project)
    _enqueue(database, project)
    claim = _claim(database)
    assert claim is not None
    assert (claim.job_id, claim.fence, claim.payload) == (first, 1, {"a": 1})
    assert _job(database, first).state == JobState.RUNNING


def test_a_waiting_embed_job_is_not_queued_twice_but_a_running_one_may_be_followed(
    database: Database, project: int
) -> None:
    first = _enqueue(database, project, "embed")
    assert _enqueue(database, project, "embed") == first
    _claim(database)
    assert _enqueue(database, project, "embed") != first


def test_jobs_of_one_project_run_one_at_a_time_and_other_projects_do_not_wait(database: Database, project: int) -> None:
    first, second = _enqueue(database, project), _enqueue(database, project)
    elsewhere = _enqueue(database, _project(database, "other"))
    claims = [_claim(database), _claim(database), _claim(database)]
    assert [claim and claim.job_id for claim in claims] == [first, elsewhere, None]
    with database.write() as session:
        queue.finish(session, first, 1, {}, now=NOW)
    claim = _claim(database)
    assert claim is not None
    assert claim.job_id == second


def test_an_expired_job_is_taken_over_and_its_late_holder_is_refused(database: Database, project: int) -> None:
    job_id = _enqueue(database, project)
    _claim(database)
    assert _claim(database) is None
    taken = _claim(database, LATER, "w2")
    assert taken is not None
    assert (taken.job_id, taken.fence) == (job_id, 2)
    with database.write() as session:
        assert queue.heartbeat(session, job_id, 1, LEASE_S, now=LATER) == "lost"
    for late in (
        lambda session: queue.report(session, job_id, 1, {"stage": "x"}, now=LATER),
        lambda session: queue.finish(session, job_id, 1, {"late": True}, now=LATER),
        lambda session: queue.fail(session, job_id, 1, "E", "late", now=LATER),
        lambda session: queue.check_held(session, job_id, 1),
    ):
        with pytest.raises(LeaseLostError), database.write() as session:
            late(session)
    assert _job(database, job_id).result is None


def test_a_heartbeat_keeps_the_job(database: Database, project: int) -> None:
    job_id = _enqueue(database, project)
    _claim(database)
    with database.write() as session:
        assert queue.heartbeat(session, job_id, 1, LEASE_S, now=NOW + timedelta(seconds=20)) == "beating"
    assert _claim(database, LATER) is None


def test_a_job_whose_workers_keep_dying_fails_by_name_and_its_round_with_it(database: Database, project: int) -> None:
    with database.write() as session:
        round_id = open_round(session, project, now=NOW).id
    now = NOW
    for _ in range(3):
        claim = _claim(database, now)
        assert claim is not None
        now += timedelta(seconds=LEASE_S + 1)
    assert _claim(database, now) is None
    job = _job(database, claim.job_id)
    assert job.state == JobState.FAILED
    assert job.error == {
        "name": "WorkerDiedError",
        "detail": "the worker died 3 times while it ran this job; its log says where",
    }
    with database.read() as session:
        turn = session.get_one(Round, round_id)
    assert turn.state == RoundState.FAILED
    assert turn.error is not None and "WorkerDiedError" in turn.error


def test_a_job_handed_back_is_claimed_at_once_and_its_attempt_does_not_count(database: Database, project: int) -> None:
    job_id = _enqueue(database, project)
    _claim(database)
    with database.write() as session:
        queue.hand_back(session, job_id, 1, attempt_counts=False, now=NOW)
    claim = _claim(database, NOW, "w2")
    assert claim is not None
    assert claim.fence == 2
    assert _job(database, job_id).attempts == 1


def test_reports_become_progress_and_events_in_order(database: Database, project: int) -> None:
    job_id = _enqueue(database, project)
    _claim(database)
    with database.write() as session:
        for step in (1, 2):
            queue.report(session, job_id, 1, {"stage": "train", "step": step}, now=NOW)
        queue.finish(session, job_id, 1, {"uar": 0.5}, now=NOW)
    with database.read() as session:
        events = session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)).all()
    assert [event.report.get("step") for event in events] == [1, 2, None]
    assert events[-1].report == {"state": "succeeded", "result": {"uar": 0.5}}
    assert _job(database, job_id).progress == {"stage": "train", "step": 2}


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(database: Database, project: int) -> None:
    running, waiting = _enqueue(database, project), _enqueue(database, project)
    _claim(database)
    with database.write() as session:
        assert queue.request_cancel(session, running, now=NOW)
        assert queue.request_cancel(session, waiting, now=NOW)
        assert not queue.request_cancel(session, waiting, now=NOW)
    assert _job(database, waiting).state == JobState.CANCELLED
    with database.write() as session:
        assert queue.heartbeat(session, running, 1, LEASE_S, now=NOW) == "cancel"
        queue.cancelled(session, running, 1, now=NOW)
    assert _job(database, running).state == JobState.CANCELLED


def test_a_cancelled_job_whose_worker_died_is_not_run_again(database: Database, project: int) -> None:
    job_id = _enqueue(database, project)
    _claim(database)
    with database.write() as session:
        queue.request_cancel(session, job_id, now=NOW)
    assert _claim(database, LATER) is None
    assert _job(database, job_id).state == JobState.CANCELLED


def test_many_workers_at_once_never_share_a_job(database: Database) -> None:
    for i in range(12):
        _enqueue(database, _project(database, f"project {i}"))
    taken: list[int] = []

    def work(name: str) -> None:
        for _ in range(12):
            claim = _claim(database, worker=name)
            if claim is not None:
                taken.append(claim.job_id)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 12
    with database.read() as session:
        assert session.scalar(select(func.max(Job.fence))) == 1


def test_workers_that_race_for_two_jobs_of_one_project_run_one(database: Database, project: int) -> None:
    for _ in range(8):
        _enqueue(database, project)
    barrier = threading.Barrier(4)
    taken: list[int] = []

    def work(name: str) -> None:
        barrier.wait()
        claim = _claim(database, worker=name)
        if claim is not None:
            taken.append(claim.job_id)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
