"""What a project holds, as plain rows in order of clip: every answer, every decision, and the clips they are about.

Rows are read in keyset pages of clips, so an export of any size needs the memory of one page. `Read` says how: a live
export opens a short read a page (a slow reader holds no transaction), a snapshot reads everything in one transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.labels.given import is_live
from app.models import Account, Adjudication, Annotation, Asset, Assignment, Clip, Guess, Round

CLIPS_A_READ = 500

EXTENSIONS = {
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/mp4": ".m4a",
    "audio/webm": ".webm",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
}

Read = Callable[[], AbstractContextManager[Session]]
Record = dict[str, Any]

CLIP = ("clip_id", "external_id", "asset_sha256", "start_s", "end_s", "speaker", "gender", "split", "attributes")
ANNOTATION = (
    *(
        "annotation_id",
        "round",
        "account_id",
        "annotator",
        "kind",
        "scheme_version",
        "annotation",
        "intensities",
        "unclear",
    ),
    *("dimensions", "skip_reason", "comment", "seconds", "shown", "supersedes_id", "withdrawn", "live"),
    *("annotated_at", "adjudication"),
)
ADJUDICATION = (
    *("adjudication_id", "decision", "label", "dimensions", "scheme_version", "adjudicator", "reason", "decided_at"),
)


@dataclass(frozen=True, slots=True)
class ClipRecords:
    """One clip, its answers in order, the decisions about it in order, and what a checkpoint guesses of it.

    Attributes:
        clip: its row: id, asset, window, speaker and so on.
        annotations: every event, by the names of `ANNOTATION`.
        adjudications: every decision, by the names of `ADJUDICATION`.
        guess: {"label", "probabilities", "checkpoint_id"}; None where no checkpoint was asked.
    """

    clip: Row[Any]
    annotations: list[Record]
    adjudications: list[Record]
    guess: Record | None

    @property
    def about(self) -> Record:
        """What every row says of its clip."""
        return {"clip_id": self.clip.id} | {name: getattr(self.clip, name) for name in CLIP[1:]}

    @property
    def file(self) -> str:
        """Where an export that carries recordings has this one; clips cut from one recording share it."""
        return f"audio/{self.clip.asset_sha256}{EXTENSIONS.get(self.clip.media_type, '')}"

    @property
    def ruling(self) -> Record | None:
        """The newest decision that ends the dispute; None while there is none."""
        rulings = [row for row in self.adjudications if row["decision"] in ("label", "ambiguous", "exclude")]
        return rulings[-1] if rulings else None


def clips(read: Read, project_id: int, split: str | None = None) -> Iterator[ClipRecords]:
    """Every clip of a project, or of one split of it, in order of id."""
    after = 0
    while True:
        with read() as session:
            page = _page(session, project_id, split, after)
            ids = [clip.id for clip in page]
            annotations, adjudications = _annotations(session, ids), _adjudications(session, ids)
            guesses = _guesses(session, ids)
        for clip in page:
            decided = adjudications.get(clip.id, [])
            yield ClipRecords(clip, annotations.get(clip.id, []), decided, guesses.get(clip.id))
        if len(page) < CLIPS_A_READ:
            return
        after = ids[-1]


def annotation_rows(read: Read, project_id: int) -> Iterator[Record]:
    """One row an answer, a skip, a revision or a withdrawal, with the ruling on its clip."""
    for found in clips(read, project_id):
        for annotation in found.annotations:
            yield found.about | annotation | {"adjudication": found.ruling}


def adjudication_rows(read: Read, project_id: int) -> Iterator[Record]:
    """One row a decision."""
    for found in clips(read, project_id):
        yield from (found.about | decided for decided in found.adjudications)


def _page(session: Session, project_id: int, split: str | None, after: int) -> Sequence[Row[Any]]:
    columns = (
        *(Clip.id, Clip.external_id, Clip.asset_sha256, Clip.start_s, Clip.end_s, Clip.speaker, Clip.split),
        *(Clip.session, Clip.gender, Clip.text, Clip.reference_label, Clip.reference_dimensions),
        *(Clip.playback_sha256, Clip.playback_type, Clip.attributes),
        Asset.media_type,
    )
    page = select(*columns).join(Asset, Asset.sha256 == Clip.asset_sha256)
    page = page.where(Clip.project_id == project_id, Clip.id > after).order_by(Clip.id)
    page = page if split is None else page.where(Clip.split == split)
    return session.execute(page.limit(CLIPS_A_READ)).all()


def _annotations(session: Session, clip_ids: Sequence[int]) -> dict[int, list[Record]]:
    rows = session.execute(
        select(Annotation, Account.name, Round.number, is_live())
        .join(Account, Account.id == Annotation.account_id)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .outerjoin(Round, Round.id == Assignment.round_id)
        .where(Annotation.clip_id.in_(clip_ids))
        .order_by(Annotation.id)
    )
    by_clip: dict[int, list[Record]] = {}
    for event, annotator, number, live in rows:
        row = {
            "annotation_id": event.id,
            "round": number,
            "account_id": event.account_id,
            "annotator": annotator,
            "kind": event.kind,
            "scheme_version": event.scheme_version,
            "annotation": event.label,
            "intensities": event.intensities,
            "unclear": event.unclear,
            "dimensions": event.dimensions,
            "skip_reason": event.skip_reason,
            "comment": event.comment,
            "seconds": event.seconds,
            "shown": event.shown,
            "supersedes_id": event.supersedes_id,
            "withdrawn": event.withdrawn,
            "live": live,
            "annotated_at": event.created_at.isoformat(),
        }
        by_clip.setdefault(event.clip_id, []).append(row)
    session.expunge_all()
    return by_clip


def _adjudications(session: Session, clip_ids: Sequence[int]) -> dict[int, list[Record]]:
    rows = session.execute(
        select(Adjudication, Account.name)
        .join(Account, Account.id == Adjudication.account_id)
        .where(Adjudication.clip_id.in_(clip_ids))
        .order_by(Adjudication.id)
    )
    by_clip: dict[int, list[Record]] = {}
    for decided, adjudicator in rows:
        row = {
            "adjudication_id": decided.id,
            "decision": decided.decision,
            "label": decided.label,
            "dimensions": decided.dimensions,
            "scheme_version": decided.scheme_version,
            "adjudicator": adjudicator,
            "reason": decided.reason,
            "decided_at": decided.created_at.isoformat(),
        }
        by_clip.setdefault(decided.clip_id, []).append(row)
    return by_clip


def _guesses(session: Session, clip_ids: Sequence[int]) -> dict[int, Record]:
    rows = session.scalars(select(Guess).where(Guess.clip_id.in_(clip_ids)))
    return {
        guess.clip_id: {
            "label": guess.label,
            "probabilities": guess.probabilities,
            "checkpoint_id": guess.checkpoint_id,
        }
        for guess in rows
    }
