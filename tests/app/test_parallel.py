"""A fine-tuning job on a machine of several devices: the job's process starts the others, and they learn the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sqlalchemy import select

from al_core import train
from al_core.encoders.tiny import build_tiny
from al_core.peft.specs import LastK
from al_core.processes import team
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Random
from app.clips.ingest import check_audio
from app.clips.service import Particulars, add_clip
from app.db import Database, utcnow
from app.jobs import queue
from app.jobs.child import run_job
from app.migrating import upgrade
from app.models import Checkpoint, Job
from app.projects.service import create_project
from app.rounds.service import close_round, open_round
from app.settings import Settings
from app.storage import Storage

CLASSES = ("high", "low")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLite alone: what two devices compute reaches the database as what one computes, in the same job."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'afterloop.db'}"
    upgrade(url)
    return url


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return build_tiny("whisper", tmp_path / "encoder", width=16, n_layers=2)  # which drops nothing


def a_project(database: Database, settings: Settings, encoder: Path, name: str) -> int:
    """Nine labelled training clips, two without a label, and one of each class to stop early by."""
    recipe = Recipe(method=LastK(k=1), epochs=2, minibatch=4)
    with database.write() as session:
        made = create_project(
            session,
            name=name,
            scheme=Scheme(CLASSES),
            encoder=str(encoder),
            recipe=recipe,
            strategy=Random(),
            batch_size=2,
            now=utcnow(),
        )
    storage, rng = Storage(settings.blobs), np.random.default_rng(0)
    for i in range(13):
        label = CLASSES[i % 2]
        tone = np.sin(2 * np.pi * (900 if label == "high" else 150) * np.arange(6_400) / 16_000)
        path = settings.data / f"{i}.wav"
        soundfile.write(path, 0.3 * tone + 0.05 * rng.standard_normal(len(tone)), 16_000)
        checked = check_audio(storage, path, storage.put(path), 0.0, None, 30)
        split = "train" if i < 11 else "dev"
        said = Particulars(
            speaker=f"{split}{i % 3}",
            split=split,
            external_id=str(i),
            reference_label=None if i in (9, 10) else label,
        )
        with database.write() as session:
            add_clip(session, made.id, checked, said, utcnow())
    return made.id


def fine_tuned(database: Database, settings: Settings, project: int) -> Checkpoint:
    """What a round that is closed at once has trained, on the labels the project began with."""
    with database.write() as session:
        opened = open_round(session, project, now=utcnow()).id
    for kind in ("acquire", "fine_tune"):
        with database.write() as session:
            claim = queue.claim(session, "test", 60, now=utcnow())
        assert claim is not None
        assert claim.kind == kind
        run_job(settings, database, claim)
        with database.read() as session:
            job = session.get_one(Job, claim.job_id)
            assert job.state == "succeeded", job.error
        if kind == "acquire":
            with database.write() as session:
                close_round(session, opened, now=utcnow())
    with database.write() as session:
        evaluation = queue.claim(session, "test", 60, now=utcnow())
        assert evaluation is not None, "the next project's jobs come after this one's"
        return session.scalars(select(Checkpoint).where(Checkpoint.project_id == project)).one()


@pytest.mark.slow
def test_a_job_on_two_devices_trains_what_it_would_on_one(
    database: Database, settings: Settings, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.data.mkdir(exist_ok=True)
    alone = fine_tuned(database, settings, a_project(database, settings, encoder, "alone"))
    further, spawn = [], team.spawn
    monkeypatch.setattr(team, "spawn", lambda module: further.append(spawn(module)) or further[-1])
    monkeypatch.setattr(train, "n_processes", lambda encoder, recipe, wanted: 2)
    together = fine_tuned(database, settings, a_project(database, settings, encoder, "together"))
    assert len(further) == 1
    assert further[0].poll() is not None
    assert together.report["loss"] == pytest.approx(alone.report["loss"], abs=1e-5)
    assert together.report["dev_uar"] == alone.report["dev_uar"]
    assert together.report["warnings"] == []
