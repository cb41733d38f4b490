"""Leases on assignments: claim, heartbeat, release. They flush and never commit.

A claim is one atomic UPDATE. It takes an assignment whose lease expired, or the first open one in order of position,
and never a clip this annotator holds, answered or skipped. An expired lease that nobody reclaimed still belongs to its
holder. Positions go slot by slot: every clip is asked once before any is asked twice, so one busy annotator does not
walk over clips that wait for somebody else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.annotations import statements
from app.annotations.statements import run
from app.errors import ConflictError, InvalidError

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
    """One clip with one annotator until it expires."""

    id: LeaseId
    clip_id: int
    expires_at: datetime


def one_request_at_a_time(session: Session, account_id: int) -> None:
    """Make concurrent requests of one account wait for each other; SQLite's writers already do."""
    if session.get_bind().dialect.name != "sqlite":
        run(session, statements.LOCK_ACCOUNT, me=account_id)


def claim(
    session: Session, project_id: int, account_id: int, count: int, lease_s: float, *, now: datetime
) -> list[Lease]:
    """Lease up to `count` clips to the annotator, fewer when there are no more for him."""
    one_request_at_a_time(session, account_id)
    ends_at = now + timedelta(seconds=lease_s)
    leases: list[Lease] = []
    for statement in (statements.CLAIM_EXPIRED, statements.CLAIM_OPEN):
        while len(leases) < count:
            row = run(session, statement, of_project=project_id, me=account_id, moment=now, ends_at=ends_at).first()
            if row is None:
                break
            leases.append(Lease(LeaseId(row.id, row.fence), row.clip_id, ends_at))
    return leases


def heartbeat(session: Session, lease: LeaseId, account_id: int, lease_s: float, *, now: datetime) -> Lease:
    """Extend a lease by `lease_s` from now; LeaseLostError when it is no longer the caller's."""
    ends_at = now + timedelta(seconds=lease_s)
    held = {"assignment": lease.assignment, "held_fence": lease.fence, "me": account_id}
    clip_id = run(session, statements.HEARTBEAT, **held, ends_at=ends_at).scalar_one_or_none()
    if clip_id is None:
        raise lost(lease)
    return Lease(lease, clip_id, ends_at)


def release(session: Session, lease: LeaseId, account_id: int) -> None:
    """Give the clip back unanswered; LeaseLostError when the lease is no longer the caller's."""
    held = {"assignment": lease.assignment, "held_fence": lease.fence, "me": account_id}
    if run(session, statements.REOPEN, **held).first() is None:
        raise lost(lease)


def lost(lease: LeaseId) -> LeaseLostError:
    """The error of a lease that is gone."""
    return LeaseLostError(
        f"lease {lease} is not yours any more (it expired and was taken, was answered, or the round closed): "
        "ask for another clip"
    )
