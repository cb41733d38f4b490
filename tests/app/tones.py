"""Tones of two pitches as a project's clips, and its jobs run in this process."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from app.clips.ingest import check_audio
from app.clips.service import Particulars, add_clip
from app.db import Database, utcnow
from app.jobs import queue
from app.jobs.child import run_job
from app.models import Job
from app.settings import Settings
from app.storage import Storage

CLASSES = ("high", "low")


def run_waiting(db: Database, settings: Settings) -> list[tuple[str, str]]:
    """Run every job that waits, and those they queue; returns their kinds and how they ended."""
    ended = []
    while True:
        with db.write() as session:
            claim = queue.claim(session, "test", 60, now=utcnow())
        if claim is None:
            return ended
        run_job(settings, db, claim)
        with db.read() as session:
            ended.append((claim.kind, session.get_one(Job, claim.job_id).state))


def add_tones(
    db: Database, settings: Settings, project_id: int, speakers: Mapping[str, Iterable[str]], each: int, folder: Path
) -> None:
    """`each` clips of every speaker of a split, high and low by turns; what is to be trained on has no label."""
    storage, rng = Storage(settings.blobs), np.random.default_rng(0)
    for split, names in speakers.items():
        for name in (f"{speaker}-{number}" for speaker in names for number in range(each)):
            label = CLASSES[int(name[-1]) % 2]
            tone = np.sin(2 * np.pi * (900 if label == "high" else 150) * np.arange(6_400) / 16_000)
            path = folder / f"{name}.wav"
            soundfile.write(path, 0.3 * tone + 0.05 * rng.standard_normal(len(tone)), 16_000)
            checked = check_audio(storage, path, storage.put(path), 0.0, None, 30)
            known = None if split == "train" else label
            said = Particulars(speaker=name[0], split=split, external_id=name, reference_label=known)
            with db.write() as session:
                add_clip(session, project_id, checked, said, utcnow())
