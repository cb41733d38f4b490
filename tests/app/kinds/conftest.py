"""A project of two pitches on a tiny encoder, its jobs run here, and annotators who know the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Margin
from app.accounts.service import create_account
from app.annotations import leases, service
from app.annotations.schemas import SkipReason
from app.db import Database, utcnow
from app.models import Assignment, Clip, Pick, Role, Round
from app.projects.service import create_project
from app.rounds.service import open_round
from app.settings import Settings
from tests.app.tones import CLASSES, add_tones, run_waiting

SPEAKERS = {"train": ("a", "b"), "dev": ("c",), "test": ("d", "e")}
CLIPS_A_SPEAKER = 4
ROUND = [("acquire", "succeeded")]
REST = [("fine_tune", "succeeded"), ("evaluate", "succeeded")]


def truth(clip: Clip) -> str:
    """The class of a clip's pitch."""
    return CLASSES[int(str(clip.external_id)[-1]) % 2]


@dataclass(frozen=True)
class Tones:
    """The project, and how its rounds are opened, run, answered and looked at."""

    db: Database
    settings: Settings
    project_id: int

    def run(self) -> list[tuple[str, str]]:
        """Run every job that waits, and those they queue; returns their kinds and how they ended."""
        return run_waiting(self.db, self.settings)

    def open(self, **given: Any) -> int:
        """Open a round."""
        with self.db.write() as session:
            return open_round(session, self.project_id, now=utcnow(), **given).id

    def annotate(self, say: Callable[[Clip], str | SkipReason] = truth) -> int:
        """Answer everything that waits; returns how many clips that was."""
        with self.db.write() as session:
            name = f"annotator {session.scalar(select(func.count()).select_from(Assignment))} {utcnow()}"
            account = create_account(session, name, Role.ANNOTATOR, utcnow())[0].id
            held = leases.claim(session, self.project_id, account, 100, 60, now=utcnow())
            for lease in held:
                said = say(session.get_one(Clip, lease.clip_id))
                skip = said if isinstance(said, SkipReason) else None
                given = service.Answer(lease.id, None if skip else str(said), skip, None, None)
                service.answer(session, given, account, str(lease.id), now=utcnow())
        return len(held)

    def round(self, round_id: int) -> Round:
        """A round as it is now."""
        with self.db.read() as session:
            return session.get_one(Round, round_id)

    def picks(self, round_id: int, arm: str) -> list[int]:
        """The clips of an arm, best first."""
        with self.db.read() as session:
            of_arm = (Pick.round_id == round_id, Pick.arm == arm)
            return list(session.scalars(select(Pick.clip_id).where(*of_arm).order_by(Pick.rank)))


@pytest.fixture
def tones(database: Database, settings: Settings, encoder: Path, tmp_path: Path) -> Tones:
    """Eight training clips of two speakers, four dev and eight test clips, in two classes of pitch."""
    with database.write() as session:
        made = create_project(
            session, name="tones", scheme=Scheme(CLASSES), encoder=str(encoder), recipe=Recipe(layer=1),
            strategy=Margin(), batch_size=4, control_share=0.5, now=utcnow(),
        )  # fmt: skip
    add_tones(database, settings, made.id, SPEAKERS, CLIPS_A_SPEAKER, tmp_path)
    return Tones(database, settings, made.id)
