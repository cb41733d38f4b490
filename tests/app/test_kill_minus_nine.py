"""kill -9 of a real worker during embed, TAPT and fine-tuning: the job runs again, ends, and counts once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_core.encoders.tiny import build_tiny
from al_core.peft.specs import LastK
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from app.accounts.service import create_account
from app.adaptation.service import adapt
from app.annotations import leases, service
from app.clips.ingest import check_audio
from app.clips.service import Particulars, add_clip
from app.db import Database, utcnow
from app.jobs import queue
from app.models import Annotation, Checkpoint, Clip, CurvePoint, Job, JobEvent, Role, Round
from app.projects.service import create_project
from app.rounds.service import open_round
from app.settings import Settings
from app.storage import Storage
from tapt.promotion import Guard
from tapt.recipe import MaskedUnits, TaptRecipe

LEASE_S = 1.5
SPEAKERS = {"train": ("a", "b"), "dev": ("c",), "test": ("d", "e")}
CLIPS_A_SPEAKER = 8
WORK = """
import sys, threading
from app.settings import Settings
from app.worker import Worker
Worker(Settings.model_validate_json(sys.stdin.readline())).run_forever(threading.Event())
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@contextmanager
def _worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    worker = subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, env=environment)
    assert worker.stdin is not None
    worker.stdin.write(settings.model_dump_json().encode() + b"\n")
    worker.stdin.flush()
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def _kill(worker: subprocess.Popen[bytes]) -> None:
    """kill -9, and see that what it started dies with it."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    assert children, "the worker runs its jobs in a child"
    worker.kill()
    worker.wait()
    while any(_runs(child) for child in children):
        time.sleep(0.01)


def _runs(pid: str) -> bool:
    """Whether the process still runs: a zombie waits for whoever adopted it and runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait(database: Database, worker: subprocess.Popen[bytes], holds: Callable[[Session], bool]) -> None:
    while True:
        assert worker.poll() is None, "the worker ended by itself"
        with database.read() as session:
            failed = session.scalars(select(Job.error).where(Job.state == "failed")).all()
            assert not failed, failed
            if holds(session):
                return
        time.sleep(0.03)


def _is_in(kind: str, stage: str) -> Callable[[Session], bool]:
    """Whether the first job of this kind is running and in this stage."""

    def holds(session: Session) -> bool:
        job = session.scalars(select(Job).where(Job.kind == kind).order_by(Job.id).limit(1)).one_or_none()
        return job is not None and job.state == "running" and job.progress.get("stage") == stage

    return holds


@pytest.fixture
def project(database: Database, settings: Settings, tmp_path: Path) -> int:
    """40 clips of 4 s, and an encoder big enough for its jobs to be caught at work."""
    encoder = build_tiny("whisper", tmp_path / "encoder", width=96, n_layers=4)
    with database.write() as session:
        recipe = Recipe(method=LastK(k=1), epochs=80, patience=80)
        scheme = Scheme(("high", "low"))
        return create_project(
            session, name="tones", scheme=scheme, encoder=str(encoder), recipe=recipe, batch_size=6, now=utcnow()
        ).id


@pytest.fixture
def clips(database: Database, settings: Settings, project: int, tmp_path: Path) -> dict[int, str]:
    """The clips' true labels by id."""
    storage, rng, truth = Storage(settings.blobs), np.random.default_rng(0), {}
    for split, speaker in ((split, speaker) for split, speakers in SPEAKERS.items() for speaker in speakers):
        for number in range(CLIPS_A_SPEAKER):
            label = ("high", "low")[number % 2]
            t = np.arange(64_000) / 16_000
            tone = np.sin(2 * np.pi * (900 if label == "high" else 150) * t)
            path = tmp_path / f"{speaker}{number}.wav"
            soundfile.write(path, 0.3 * tone + 0.05 * rng.standard_normal(len(t)), 16_000)
            checked = check_audio(storage, path, storage.put(path), 0.0, None, 30)
            said = Particulars(
                speaker=speaker, split=split, external_id=path.name, reference_label=None if split == "train" else label
            )
            with database.write() as session:
                clip, _ = add_clip(session, project, checked, said, utcnow())
                truth[clip.id] = label
    return truth


def _annotate_everything(database: Database, project: int, truth: dict[int, str]) -> None:
    with database.write() as session:
        account = create_account(session, "ann", Role.ANNOTATOR, utcnow())[0]
    with database.write() as session:
        held = leases.claim(session, project, account.id, 20, 60, now=utcnow())
        for lease in held:
            given = service.Answer(lease.id, truth[lease.clip_id], None, None, 1.0)
            service.answer(session, given, account.id, str(lease.id), now=utcnow())


def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(
    database: Database, settings: Settings, project: int, clips: dict[int, str]
) -> None:
    settings = settings.model_copy(update={"job_lease_s": LEASE_S, "poll_s": 0.05})
    recipe = TaptRecipe(MaskedUnits(units=4), steps=30, seconds_per_step=8, checkpoint_every=2)
    with database.write() as session:
        queue.enqueue(session, "embed", project, now=utcnow())
        tapt = adapt(session, project, recipe, Guard("always"), now=utcnow()).id
        turn = open_round(session, project, now=utcnow()).id
    with _worker(settings) as worker:
        _wait(database, worker, _is_in("embed", "embed"))
        _kill(worker)
    with _worker(settings) as worker:
        _wait(database, worker, _is_in("adapt", "train"))
        _kill(worker)
    assert list((settings.data / f"checkpoints/adapt-{tapt}/states").glob("step-*"))
    with _worker(settings) as worker:
        _wait(database, worker, lambda session: session.get_one(Round, turn).state == "annotating")
        _annotate_everything(database, project, clips)
        _wait(database, worker, lambda _: any((settings.data / "runs").glob("*/strategy/states/step-*/manifest.json")))
        _kill(worker)
    with database.read() as session:
        told_before = session.scalar(select(func.max(JobEvent.id)))
    with _worker(settings) as worker:
        _wait(database, worker, lambda session: session.get_one(Round, turn).state == "finished")

    with database.read() as session:
        jobs = session.scalars(select(Job).order_by(Job.id)).all()
        first = {job.kind: job for job in reversed(jobs)}
        encoder, classifier = session.scalars(select(Checkpoint).order_by(Checkpoint.id)).all()
        point = session.scalars(select(CurvePoint)).one()
        assert session.scalar(select(func.count()).select_from(Clip)) == len(clips)
        assert session.scalar(select(func.count()).select_from(Annotation)) == 6
        told = session.scalars(select(JobEvent.report).where(JobEvent.id > told_before).order_by(JobEvent.id)).all()
    steps = [report["step"] for report in told if report.get("stage") == "train strategy"]
    assert steps[0] > 1, "the next attempt went on where the killed one was"
    assert not list((settings.data / "runs").iterdir()), "the states of a finished run are removed"
    for kind in ("embed", "adapt", "fine_tune"):
        assert (kind, first[kind].state, first[kind].attempts) == (kind, "succeeded", 2)
    assert (encoder.kind, encoder.folder, encoder.report["steps"]) == ("encoder", f"checkpoints/adapt-{tapt}", 30)
    assert classifier.folder == f"checkpoints/round-{turn}-strategy-{first['fine_tune'].id}-2"
    assert classifier.promoted_at is not None
    assert (point.n_labels, point.checkpoint_id) == (6, classifier.id)
