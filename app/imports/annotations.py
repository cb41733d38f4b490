"""Answers from elsewhere, many at once: read row by row, committed in short batches, every row told of by name.

Importing the same file again creates nothing: what is here is counted as unchanged, what contradicts it is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO, Literal

from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app.annotations.again import open_round_of
from app.annotations.closing import close_if_done
from app.db import Database, lost_a_deadlock, utcnow
from app.errors import AppError, ConflictError
from app.imports.clip_names import find
from app.imports.incoming import Row, Ruling, Unread
from app.imports.ours import read_csv, read_jsonl
from app.imports.people import People
from app.imports.settling import Place, Settled, settle
from app.imports.theirs import read_tasks
from app.labels.mapping import Translation, translation
from app.models import Adjudication, Decision
from app.projects.service import get_project

Format = Literal["jsonl", "csv", "label_studio"]
ROWS_A_BATCH = 20  # annotators write too: a batch holds SQLite's one writer for some tens of milliseconds
MOST_REMARKS = 500
TRIES = 5  # of a batch: whoever won a deadlock got on


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the rows.

    Attributes:
        created, revised, unchanged: answers that are new, that replaced an earlier one, and that were here.
        rulings: decisions of adjudicators that are new.
        conflict, refused: how many contradict what is here, and how many cannot be used.
        remarks: of the first of those, where they stand, the reason's name and a sentence.
        made: accounts that were made for annotators.
    """

    created: int = 0
    revised: int = 0
    unchanged: int = 0
    rulings: int = 0
    conflict: int = 0
    refused: int = 0
    remarks: tuple[Unread, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows looked at."""
        return self.created + self.revised + self.unchanged + self.rulings + self.conflict + self.refused


@dataclass(slots=True)
class _File:
    """What is remembered between the rows of one file: which event here each of the newest events there became."""

    became: dict[int, int] = field(default_factory=dict)

    def remember(self, number: int | None, annotation_id: int | None) -> None:
        if number is not None and annotation_id is not None:
            if len(self.became) >= 10_000:  # an event is superseded soon after it, or its file is in a strange order
                self.became.pop(next(iter(self.became)))
            self.became[number] = annotation_id


def import_annotations(
    database: Database,
    project_id: int,
    file: IO[bytes],
    format: Format,
    annotators: Mapping[str, str] | None = None,
    make_accounts: bool = True,
    names: Mapping[int, str] | None = None,
) -> Iterator[Report]:
    """Import a file of answers; the last report is complete.

    Args:
        database: of the service.
        project_id: whose clips they are about.
        file: open for reading, at its beginning; it is read once and never whole in memory.
        format: "jsonl" and "csv" of our own exports, or Label Studio's JSON.
        annotators: names in the file → names of accounts here.
        make_accounts: whether people without an account get one that cannot sign in; otherwise they are refused.
        names: Label Studio's ids of people → names, where the file has ids only.

    Raises:
        NotFoundError: there is no such project.
    """
    with database.read() as session:
        get_project(session, project_id)
    people, state, report = People(annotators or {}, make_accounts), _File(), Report()
    rows = read(file, format, names or {})
    yield report
    while batch := list(islice(rows, ROWS_A_BATCH)):
        report = commit(database, project_id, batch, people, report, state)
        yield report


def read(file: IO[bytes], format: Format, names: Mapping[int, str]) -> Iterator[Row]:
    """The rows of a file in one of the formats."""
    match format:
        case "jsonl":
            return read_jsonl(file)
        case "csv":
            return read_csv(file)
        case "label_studio":
            return read_tasks(file, names)


def commit(
    database: Database,
    project_id: int,
    batch: Sequence[Row],
    people: People,
    report: Report,
    state: _File | None = None,
) -> Report:
    """Settle some rows in one transaction, again where it lost a deadlock; then close the round if it is done."""
    state = state or _File()
    for tries_left in reversed(range(TRIES)):
        try:
            settled = _settled(database, project_id, batch, people, report, state)
            break
        except OperationalError as error:
            if not tries_left or not lost_a_deadlock(error):
                raise
    with database.write() as session:  # also where all was here: whoever brought it may have ended before this
        round_id = open_round_of(session, project_id)
        if round_id is not None:
            close_if_done(session, project_id, round_id, now=utcnow())
    return settled


def _settled(
    database: Database, project_id: int, batch: Sequence[Row], people: People, report: Report, state: _File
) -> Report:
    with people.provisional(), database.write() as session:
        known = translation(session, project_id)
        for row in batch:
            report = _told(report, row, _one(session, project_id, row, people, known, state))
    return replace(report, made=tuple(people.made))


def _one(
    session: Session, project_id: int, row: Row, people: People, known: Translation, state: _File
) -> Settled | Unread:
    if isinstance(row, Unread):
        return row
    try:
        with people.provisional(), session.begin_nested():
            clip_id = find(session, project_id, row.clip)
            if isinstance(row, Ruling):
                return _rule(session, project_id, clip_id, row, people, known)
            account_id = people.account(session, row.annotator, now=utcnow())
            if account_id is None:
                return _nobody(row.where, row.annotator)
            supersedes = None if row.supersedes is None else state.became.get(row.supersedes)
            place = Place(project_id, clip_id, account_id, supersedes)
            settled = settle(session, row, place, known, now=utcnow())
            state.remember(row.number, settled.annotation_id)
            return settled
    except ConflictError as error:
        return Settled("conflict", None, error.name, error.detail)
    except AppError as error:
        return Unread(row.where, error.extra.get("code", error.name), error.detail)
    except DataError:
        return Unread(row.where, "unstorable", "a value cannot be stored (too long, out of range, or a NUL character)")
    except IntegrityError:
        return Settled("conflict", None, "conflict", "somebody stored the same answer meanwhile: import the file again")


def _nobody(where: str, name: str) -> Unread:
    return Unread(where, "unknown_annotator", f"there is no account named {name!r}: map the name, or let one be made")


def _rule(
    session: Session, project_id: int, clip_id: int, row: Ruling, people: People, known: Translation
) -> Settled | Unread:
    """Append a decision that is not here yet."""
    version = known.version if row.scheme_version is None else row.scheme_version
    scheme = known.scheme_of(version)
    if scheme is None or row.decision not in tuple(Decision) or (row.label and row.label not in scheme.classes):
        return Unread(row.where, "malformed", f"the ruling {row.decision!r} {row.label!r} is none of version {version}")
    account_id = people.account(session, row.adjudicator, now=utcnow())
    if account_id is None:
        return _nobody(row.where, row.adjudicator)
    said = {"decision": row.decision, "label": row.label, "reason": row.reason, "scheme_version": version}
    of_clip = (
        Adjudication.project_id == project_id,
        Adjudication.clip_id == clip_id,
        Adjudication.account_id == account_id,
    )
    here = session.scalars(select(Adjudication).where(*of_clip)).all()
    for one in here:
        if all(getattr(one, name) == value for name, value in said.items()) and row.at in (None, one.created_at):
            return Settled("unchanged")
    made = Adjudication(
        project_id=project_id,
        clip_id=clip_id,
        account_id=account_id,
        dimensions=None if row.dimensions is None else dict(row.dimensions),
        created_at=min(row.at or utcnow(), utcnow()),
        **said,
    )
    session.add(made)
    session.flush()
    return Settled("created")


def _told(report: Report, row: Row, became: Settled | Unread) -> Report:
    if isinstance(became, Settled) and became.outcome in ("created", "revised", "unchanged"):
        counted = "rulings" if isinstance(row, Ruling) and became.outcome == "created" else became.outcome
        return replace(report, **{counted: getattr(report, counted) + 1})
    if isinstance(became, Settled):
        outcome, remark = became.outcome, Unread(row.where, became.code, became.detail)
    else:
        outcome, remark = "refused", became
    remarks = report.remarks if len(report.remarks) >= MOST_REMARKS else (*report.remarks, remark)
    return replace(report, remarks=remarks, **{outcome: getattr(report, outcome) + 1})
