"""A project of two pitches on a tiny encoder, and how to take it through a round without an annotator."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.strategies.specs import TypiClust
from app.clips.ingest import check_audio
from app.clips.service import Particulars, add_clip
from app.db import Database, utcnow
from app.models import Checkpoint, CurvePoint, Job, Round
from app.projects.service import create_project
from app.rounds.service import close_round, open_round
from app.settings import Settings
from app.storage import Storage
from tests.app.tones import CLASSES, run_waiting

AROUSAL = Dimension("arousal", 1, 5)
# Speaker → split, gender. Men of the test split are hard to hear: their tones drown in noise.
SPEAKERS = {
    "a": ("train", "female"), "b": ("train", "male"), "c": ("dev", "female"),
    "d": ("test", "female"), "e": ("test", "female"), "f": ("test", "male"), "g": ("test", "male"),
}  # fmt: skip
CLIPS_A_SPEAKER = 12


@dataclass(frozen=True)
class Made:
    """A project with clips, and how to take it through a round."""

    db: Database
    settings: Settings
    project_id: int

    def jobs(self) -> list[tuple[str, str]]:
        """Run every job that waits, and those they queue; their kinds and how they ended."""
        return run_waiting(self.db, self.settings)

    def round(self, **given: Any) -> Round:
        """A whole round on the labelled seed set: what it picks is not waited for."""
        with self.db.write() as session:
            opened = open_round(session, self.project_id, now=utcnow(), **given).id
        assert self.jobs()[-1] == ("acquire", "succeeded")
        with self.db.write() as session:
            close_round(session, opened, now=utcnow())
        self.jobs()
        with self.db.read() as session:
            return session.get_one(Round, opened)

    def points(self) -> list[CurvePoint]:
        with self.db.read() as session:
            own = select(CurvePoint).where(CurvePoint.project_id == self.project_id)
            return list(session.scalars(own.order_by(CurvePoint.id)))

    def checkpoint(self) -> Checkpoint:
        with self.db.read() as session:
            own = select(Checkpoint).where(Checkpoint.project_id == self.project_id)
            return session.scalars(own.order_by(Checkpoint.id.desc()).limit(1)).one()

    def job(self, **given: Any) -> Job:
        with self.db.read() as session:
            return session.scalars(select(Job).filter_by(**given).order_by(Job.id.desc()).limit(1)).one()


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory, upgraded: Path) -> str:
    """SQLite alone: these rounds write as those of `kinds` and `test_kill_minus_nine`, which run on both."""
    return f"sqlite:///{shutil.copy(upgraded, tmp_path_factory.mktemp('database'))}"


@pytest.fixture
def make(database: Database, settings: Settings, encoder: Path, tmp_path: Path) -> Callable[..., Made]:
    """A factory of projects: 24 training clips, half of them labelled, 12 dev and 48 test clips, of two pitches."""

    def made(
        scheme: Scheme,
        name: str = "tones",
        recipe: Recipe | None = None,
        rename: Mapping[str, str] = MappingProxyType({}),
        **fields: Any,
    ) -> Made:
        with database.write() as session:
            project = create_project(
                session, name=name, scheme=scheme, encoder=str(encoder), recipe=recipe or Recipe(layer=1),
                strategy=TypiClust(), batch_size=2, now=utcnow(), **fields,
            )  # fmt: skip
        storage, rng = Storage(settings.blobs), np.random.default_rng(0)
        for speaker, (split, gender) in SPEAKERS.items():
            for number in range(CLIPS_A_SPEAKER):
                path = tmp_path / f"{speaker}-{number}.wav"
                soundfile.write(path, _tone(number, 3.0 if (split, gender) == ("test", "male") else 0.05, rng), 16_000)
                known = split != "train" or number < CLIPS_A_SPEAKER / 2
                said = _said(f"{speaker}-{number}", scheme, known)
                said = replace(said, reference_label=rename.get(said.reference_label or "", said.reference_label))
                checked = check_audio(storage, path, storage.put(path), 0.0, None, 30)
                with database.write() as session:
                    add_clip(session, project.id, checked, said, utcnow())
        return Made(database, settings, project.id)

    return made


def _said(name: str, scheme: Scheme, known: bool) -> Particulars:
    speaker, number = name.split("-")
    split, gender = SPEAKERS[speaker]
    return Particulars(
        speaker=speaker, split=split, gender=gender, external_id=name,
        reference_label=CLASSES[int(number) % 2] if known and scheme.classes else None,
        reference_dimensions={"arousal": _arousal(int(number))} if known and scheme.dimensions else None,
        attributes={"language": "de" if speaker in "adf" else "ur"},
    )  # fmt: skip


def _arousal(number: int) -> float:
    return 1 + 4 * (number % 4) / 3


def _tone(number: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    hz = (900, 150)[number % 2] * (1 + number % 4 / 3)
    t = np.arange(4_800) / 16_000
    wave = np.sin(2 * np.pi * hz * t) + noise * rng.standard_normal(len(t))
    return 0.2 * wave / np.abs(wave).max()
