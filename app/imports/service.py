"""Many clips at once: read a corpus, decode outside of transactions, commit in short batches, report every clip.

Importing the same corpus again creates nothing: what is there is counted as unchanged, what differs is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.audio import AudioError
from al_core.corpora.read import read_corpus
from app.clips import service as clips
from app.clips.ingest import CheckedAudio, WindowError, check_audio
from app.db import Database, utcnow
from app.imports.plan import Labels, PlannedClip, Remark, plan_clips
from app.jobs import queue
from app.models import Asset, Clip
from app.projects.service import get_project
from app.specs import read_scheme
from app.storage import Storage, StorageError, digest

CLIPS_A_BATCH = 16
Found = Clip | CheckedAudio | Remark
Outcome = Literal["created", "unchanged", "same_audio", "conflict", "refused"]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each clip.

    Attributes:
        created: clips that are new.
        unchanged: clips the project had, with the same particulars; those of `same_audio` are among them.
        same_audio: clips that are, byte for byte, another clip of the project under another name.
        conflicts: clips the project has with other particulars, or other clips under their names.
        refused: clips that cannot be used, by name.
    """

    created: int = 0
    unchanged: int = 0
    same_audio: tuple[Remark, ...] = ()
    conflicts: tuple[Remark, ...] = ()
    refused: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Clips looked at, of how many, and the report so far: complete when `done` equals `total`."""

    done: int
    total: int
    report: ImportReport


def import_corpus(
    database: Database,
    storage: Storage,
    project_id: int,
    path: Path,
    labels: Labels = "evaluation",
    max_clip_s: float = 30.0,
) -> Iterator[ImportProgress]:
    """Import a manifest or a corpus folder; the last progress carries the complete report.

    No transaction is open while audio is decoded or while the caller has the turn.

    Raises:
        NotFoundError: there is no such project.
        CorpusError: the path holds no corpus.
        CorpusSplitError: the corpus names no splits and cannot be split by speaker.
        StorageError: the disk is full.
    """
    corpus = read_corpus(path)
    with database.read() as session:
        project = get_project(session, project_id)
        known = clips.speaker_splits(session, project_id)
    planned, refused = plan_clips(corpus.clips, read_scheme(project.scheme), labels, known, project.seed)
    total = len(corpus.clips) + len(corpus.refused)
    unread = [Remark(row.where, row.code, row.detail) for row in corpus.refused]
    report = ImportReport(refused=(*unread, *refused))
    done = len(report.refused)
    yield ImportProgress(done, total, report)
    for begin in range(0, len(planned), CLIPS_A_BATCH):
        batch = planned[begin : begin + CLIPS_A_BATCH]
        found = [_look_at(database, storage, project_id, one, max_clip_s) for one in batch]
        report = _commit(database, project_id, batch, found, report)
        done += len(batch)
        yield ImportProgress(done, total, report)


def _look_at(database: Database, storage: Storage, project_id: int, one: PlannedClip, max_clip_s: float) -> Found:
    """The clip the project has of this audio, found without decoding; or the audio, checked and kept; or why not."""
    clip = one.clip
    try:
        sha256 = digest(clip.path)
        with database.read() as session:
            there = _known_clip(session, project_id, sha256, clip.start_s, clip.end_s)
        if there is not None:
            return there
        checked = check_audio(storage, clip.path, sha256, clip.start_s, clip.end_s, max_clip_s)
        if not storage.exists(sha256) and storage.put(clip.path) != sha256:
            return Remark(clip.external_id, "unreadable", f"{clip.path.name} changed while it was read: import again")
        return checked
    except AudioError as error:
        return Remark(clip.external_id, error.code, str(error))
    except WindowError as error:
        return Remark(clip.external_id, "window", str(error))
    except StorageError:
        raise
    except OSError as error:
        return Remark(clip.external_id, "unreadable", f"{clip.path.name}: {error.strerror}")


def _known_clip(session: Session, project_id: int, sha256: str, start_s: float, end_s: float | None) -> Clip | None:
    asset = session.get(Asset, sha256)
    if asset is None:
        return None
    if end_s is not None:
        return clips.find_clip(session, project_id, sha256, round(start_s, 3), round(end_s, 3))
    ends = Clip.end_s.between(asset.duration_s - 0.002, asset.duration_s + 0.002)
    same = (Clip.project_id == project_id, Clip.asset_sha256 == sha256, Clip.start_s == round(start_s, 3), ends)
    return session.scalar(select(Clip).where(*same).limit(1))


def _commit(
    database: Database, project_id: int, batch: Sequence[PlannedClip], found: Sequence[Found], report: ImportReport
) -> ImportReport:
    with database.write() as session:
        clips.lock_project(session, project_id)
        outcomes = [_settle(session, project_id, one, what) for one, what in zip(batch, found, strict=True)]
        if any(outcome == "created" for outcome, _ in outcomes):
            queue.enqueue(session, "embed", project_id, now=utcnow())
    named = {name: tuple(why for outcome, why in outcomes if why and outcome == name) for name in get_args(Outcome)}
    return ImportReport(
        created=report.created + sum(outcome == "created" for outcome, _ in outcomes),
        unchanged=report.unchanged + sum(outcome in ("unchanged", "same_audio") for outcome, _ in outcomes),
        same_audio=report.same_audio + named["same_audio"],
        conflicts=report.conflicts + named["conflict"],
        refused=report.refused + named["refused"],
    )


def _settle(session: Session, project_id: int, one: PlannedClip, what: Found) -> tuple[Outcome, Remark | None]:
    if isinstance(what, Remark):
        return "refused", what
    try:
        if isinstance(what, Clip):
            clips.settle_known(session.get_one(Clip, what.id), one.said)
            return "unchanged", None
        _, is_new = clips.add_clip(session, project_id, what, one.said, utcnow(), one.default_split)
        return "created" if is_new else "unchanged", None
    except clips.GroupSplitError as error:
        return "refused", Remark(one.clip.external_id, f"{error.kind}_in_two_splits", error.detail)
    except clips.ClipConflictError as error:
        differs = error.extra["differs"]
        if differs.keys() != {"external_id"}:
            return "conflict", Remark(one.clip.external_id, "conflict", error.detail)
        other = differs["external_id"]["have"]
        return "same_audio", Remark(one.clip.external_id, "same_audio", f"the same audio as {other}")
