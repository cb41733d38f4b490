"""What an export reads and from where: one project, its scheme in every version, and its blobs."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.exports import records, verdicts
from app.exports.records import Read, Record
from app.labels.mapping import Translation, translation
from app.models import Account, Adjudication, Annotation
from app.projects.service import get_project
from app.storage import Storage

What = Literal["annotations", "labels", "adjudications"]


@dataclass(frozen=True, slots=True)
class Source:
    """A project as the formats see it.

    Attributes:
        read: how pages of it are read.
        project_id, name: whose.
        known: the scheme in use, and how answers under former versions are read under it.
        audio_url: of a clip, by its id; what a player outside of this service is given.
        storage: the blobs, for exports that carry audio; None leaves audio out.
    """

    read: Read
    project_id: int
    name: str
    known: Translation
    audio_url: str
    storage: Storage | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class of every version, those in use first."""
        former = (name for step in self.known.steps for name in step.scheme.classes)
        return tuple(dict.fromkeys([*self.known.scheme.classes, *former]))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Every dimension of every version, those in use first."""
        former = (one.name for step in self.known.steps for one in step.scheme.dimensions)
        return tuple(dict.fromkeys([*(one.name for one in self.known.scheme.dimensions), *former]))

    def rows(self, what: What) -> Iterator[Record]:
        """The rows of one kind, in order of clip."""
        match what:
            case "annotations":
                return records.annotation_rows(self.read, self.project_id)
            case "labels":
                return verdicts.label_rows(self.read, self.project_id)
            case "adjudications":
                return records.adjudication_rows(self.read, self.project_id)

    def people(self) -> list[str]:
        """Everybody who answered or decided, by name."""
        with self.read() as session:
            answered = select(Account.name).join(Annotation, Annotation.account_id == Account.id)
            decided = select(Account.name).join(Adjudication, Adjudication.account_id == Account.id)
            names = set(session.scalars(answered.where(Annotation.project_id == self.project_id).distinct()))
            names |= set(session.scalars(decided.where(Adjudication.project_id == self.project_id).distinct()))
            return sorted(names)

    def url(self, clip_id: int) -> str:
        """Where the clip's audio is."""
        return self.audio_url.format(clip_id=clip_id)


def live(database: Database, project_id: int) -> Source:
    """The project as it is while it is read, page by page; NotFoundError when there is none."""
    with database.read() as session:
        return _source(session, database.read, project_id, None)


@contextmanager
def frozen(database: Database, project_id: int, storage: Storage | None) -> Iterator[Source]:
    """The project as it was at one moment: everything is read in one transaction that sees no later change.

    SQLite's readers see one state anyway; PostgreSQL is asked for it (REPEATABLE READ).
    """
    with database.read() as session:
        options: dict[str, Any] = {} if database.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        session.connection(execution_options=options)
        yield _source(session, lambda: nullcontext(session), project_id, storage)
        session.rollback()


def _source(session: Session, read: Read, project_id: int, storage: Storage | None) -> Source:
    project = get_project(session, project_id)
    known = translation(session, project_id)
    return Source(read, project_id, project.name, known, "/api/v1/clips/{clip_id}/audio", storage)
