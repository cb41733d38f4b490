"""Leases on assignments: claim, hold, heartbeat, release. They flush and never commit.

A claim is one atomic UPDATE. It takes assignments whose lease expired, or the first open ones in order of position,
and never a clip this annotator holds, answered or passed on. An expired lease that nobody reclaimed still belongs to
its holder. Positions go slot by slot: every clip is asked once before any is asked twice, so one busy annotator does
not walk over clips that wait for somebody else.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Update
from sqlalchemy.orm import Session

from app.annotations import statements
from app.annotations.statements import is_sqlite, run
from app.errors import ConflictError, InvalidError
from app.models import Kind

LARGEST_ID = 2_147_483_647


class LeaseLostError(ConflictError):
    """The lease expired and somebody else took the clip, or the round closed."""

    name = "lease_lost"


@dataclass(frozen=True, slots=True)
class LeaseId:
    """An assignment and the fence it was claimed with; `<assignment id>.<fence>` over HTTP."""

    assignment: int
    fence: int

    def __str__(self) -> str:
        return f"{self.assignment}.{self.fence}"

    @classmethod
    def parse(cls, text: str) -> "LeaseId":
        """The lease a client names; InvalidError when the text is no lease id."""
        assignment, _, fence = text.partition(".")
        if assignment.isdecimal() and fence.isdecimal() and len(text) <= 21:
            found = cls(int(assignment), int(fence))
            if found.assignment <= LARGEST_ID and found.fence <= LARGEST_ID:
                return found
        raise InvalidError(f"{text[:50]!r} is no lease: send the lease_id of a lease as it was given")


@dataclass(frozen=True, slots=True)
class Lease:
    """One clip with one annotator until it expires, and what a page needs of the clip besides its audio.

    `peaks` is JSON as the column holds it: the hot path passes it on unread.
    """

    id: LeaseId
    clip_id: int
    expires_at: datetime
    position: int = 0
    kind: str = Kind.ANSWER.value
    duration_s: float = 0.0
    peaks: str = "[]"
    shown: dict[str, Any] | None = None


def one_request_at_a_time(session: Session, account_id: int) -> None:
    """Make concurrent requests of one account wait for each other; SQLite's writers already do."""
    if not is_sqlite(session):
        run(session, statements.LOCK_ACCOUNT, me=account_id)


def claim(
    session: Session, project_id: int, account_id: int, count: int, lease_s: float, *, now: datetime
) -> list[Lease]:
    """Lease up to `count` clips to the annotator, in their order; fewer when there are no more for him."""
    statement = statements.CLAIM_SQLITE if is_sqlite(session) else statements.CLAIM
    return _claimed(session, statement, project_id, account_id, count, lease_s, now)


def claim_qualification(
    session: Session, project_id: int, account_id: int, count: int, lease_s: float, *, now: datetime
) -> list[Lease]:
    """The same among the clips of the qualification set that wait for this annotator."""
    sqlite = is_sqlite(session)
    statement = statements.CLAIM_QUALIFICATION_SQLITE if sqlite else statements.CLAIM_QUALIFICATION
    return _claimed(session, statement, project_id, account_id, count, lease_s, now)


def _claimed(
    session: Session, statement: Update, project_id: int, account_id: int, count: int, lease_s: float, now: datetime
) -> list[Lease]:
    ends_at = now + timedelta(seconds=lease_s)
    who = {"of_project": project_id, "me": account_id}
    rows = run(session, statement, **who, most=count, moment=now, ends_at=ends_at).all()
    leases = [_lease(row, ends_at) for row in rows]
    if leases and is_sqlite(session):
        leases = with_clips(session, leases)
    return sorted(leases, key=lambda lease: (lease.position, lease.id.assignment))


def with_clips(session: Session, leases: list[Lease]) -> list[Lease]:
    """The leases with their clips' duration and peaks."""
    found = run(session, statements.CLIPS, clip_ids=[lease.clip_id for lease in leases])
    clips = {row.id: (round(row.end_s - row.start_s, 3), row.peaks) for row in found}
    return [
        Lease(lease.id, lease.clip_id, lease.expires_at, lease.position, lease.kind, *clips[lease.clip_id], lease.shown)
        for lease in leases
    ]


def held(session: Session, project_id: int, account_id: int) -> list[Lease]:
    """What the annotator holds now, in order; an expired lease nobody took is among it."""
    rows = run(session, statements.HELD, of_project=project_id, me=account_id)
    return [_lease(row, row.expires_at) for row in rows]


def _lease(row: Row[Any], ends_at: datetime) -> Lease:
    fields = row._mapping
    heard = {"duration_s": round(row.end_s - row.start_s, 3), "peaks": row.peaks} if "peaks" in fields else {}
    shown = fields.get("shown")
    return Lease(
        LeaseId(row.id, row.fence),
        row.clip_id,
        ends_at,
        row.position,
        row.kind,
        **heard,
        shown=None if shown is None else json.loads(shown),
    )


def heartbeat(session: Session, lease: LeaseId, account_id: int, lease_s: float, *, now: datetime) -> Lease:
    """Extend a lease by `lease_s` from now; LeaseLostError when it is no longer the caller's."""
    ends_at = now + timedelta(seconds=lease_s)
    mine = {"assignment": lease.assignment, "held_fence": lease.fence, "me": account_id}
    clip_id = run(session, statements.HEARTBEAT, **mine, ends_at=ends_at).scalar_one_or_none()
    if clip_id is None:
        raise lost(lease)
    return Lease(lease, clip_id, ends_at)


def release(session: Session, lease: LeaseId, account_id: int) -> None:
    """Give the clip back unanswered; LeaseLostError when the lease is no longer the caller's."""
    mine = {"assignment": lease.assignment, "held_fence": lease.fence, "me": account_id}
    if run(session, statements.REOPEN, **mine).first() is None:
        raise lost(lease)


def lost(lease: LeaseId) -> LeaseLostError:
    """The error of a lease that is gone."""
    return LeaseLostError(
        f"lease {lease} is not yours any more (it expired and was taken, was answered, or the round closed): "
        "ask for another clip"
    )
