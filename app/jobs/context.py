"""What a job holds while it runs: its claim, the database, its clips as the science sees them, its encoder."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from al_core.audio import Waveform, decode
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.features import Clip, FeatureStore
from al_core.features.clip import clip_key
from app import models
from app.db import Database, utcnow
from app.jobs import queue
from app.jobs.queue import Claim
from app.settings import Settings
from app.storage import Storage

log = logging.getLogger(__name__)
REPORT_S = 0.5


class JobContext:
    """One run of one job. No transaction is open while it computes; every write names its fence.

    A kind computes first and then stores everything in one `conclude` block, in which the job ends too: a worker killed
    before it leaves nothing behind, one killed after it has nothing left to do.
    """

    def __init__(self, settings: Settings, db: Database, claim: Claim) -> None:
        self.settings, self.db, self.claim = settings, db, claim
        self.storage = Storage(settings.blobs)
        self.store = FeatureStore(settings.data / "features")
        self._reported_at = 0.0
        self._stage: Any = None

    def report(self, stage: str, **progress: Any) -> None:
        """Tell how far the job is: the first report of a stage always, later ones at most twice a second."""
        moment = time.monotonic()
        if stage == self._stage and moment - self._reported_at < REPORT_S:
            return
        self._stage, self._reported_at = stage, moment
        told = {"stage": stage} | {name: value for name, value in progress.items() if value is not None}
        try:
            with self.db.write() as session:
                queue.report(session, self.claim.job_id, self.claim.fence, told, now=utcnow())
        except OperationalError as error:  # hours of work are worth more than one line of progress
            log.warning("job %s: progress not stored, %s", self.claim.job_id, error.orig)

    @contextmanager
    def conclude(self, result: Mapping[str, Any]) -> Iterator[Session]:
        """The transaction that stores what the job found and ends it; LeaseLostError when another holds the job now."""
        with self.db.write() as session:
            queue.check_held(session, self.claim.job_id, self.claim.fence)
            yield session
            queue.finish(session, self.claim.job_id, self.claim.fence, result, now=utcnow())

    def project(self) -> models.Project:
        """The job's project."""
        with self.db.read() as session:
            return session.get_one(models.Project, self.claim.project_id)

    def round(self) -> models.Round:
        """The job's round."""
        with self.db.read() as session:
            return session.get_one(models.Round, self.claim.round_id)

    def clips(self, split: str | None = None, project_id: int | None = None) -> dict[int, Clip]:
        """A project's clips by id, in order of id, of one split or of all; the job's own project unless named."""
        whose = self.claim.project_id if project_id is None else project_id
        wanted = select(models.Clip).where(models.Clip.project_id == whose).order_by(models.Clip.id)
        with self.db.read() as session:
            rows = session.scalars(wanted if split is None else wanted.where(models.Clip.split == split)).all()
        return {row.id: self._clip(row) for row in rows}

    def encoder(self) -> SpeechEncoder:
        """The project's encoder: the adapted one in use, or else the one the operator named."""
        project = self.project()
        if project.encoder_checkpoint_id is None:
            return self.named_encoder()
        with self.db.read() as session:
            folder = session.get_one(models.Checkpoint, project.encoder_checkpoint_id).folder
        return _opened(str(self.settings.data / folder))

    def named_encoder(self) -> SpeechEncoder:
        """The encoder the operator named, before any adaptation."""
        return _opened(self.project().encoder)

    def encoder_of(self, digest: str) -> SpeechEncoder | None:
        """The project's encoder of this digest, in use or not; None when it is neither named nor adapted here."""
        adapted = select(models.Checkpoint.folder).where(
            models.Checkpoint.project_id == self.claim.project_id,
            models.Checkpoint.kind == "encoder",
            models.Checkpoint.encoder_digest == digest,
        )
        with self.db.read() as session:
            folders = session.scalars(adapted.order_by(models.Checkpoint.id.desc())).all()
        whole = [self.settings.data / folder for folder in folders if (self.settings.data / folder).is_dir()]
        found = _opened(str(whole[0])) if whole else self.named_encoder()
        return found if found.digest == digest else None

    def _clip(self, row: models.Clip) -> Clip:
        path = self.storage.path(row.asset_sha256)
        key = clip_key(row.asset_sha256, row.start_s, row.end_s)
        return Clip(key, row.duration_s, row.speaker, _Window(path, row.start_s, row.end_s), row.text)


class _Window:
    """Decodes a clip when it is called."""

    def __init__(self, path: Path, start_s: float, end_s: float) -> None:
        self._path, self._start_s, self._end_s = path, start_s, end_s

    def __call__(self) -> Waveform:
        return decode(self._path, self._start_s, self._end_s)


@lru_cache(maxsize=2)
def _opened(source: str) -> SpeechEncoder:
    """Kept between jobs; an error is not kept, so a mended folder opens at the next try."""
    return open_encoder(source, "cuda" if torch.cuda.is_available() else "cpu")
