"""Answering, skipping and revising clips. The functions flush and never commit."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.annotations import events, leases, probes, skips, statements
from app.annotations.answers import Answer, checked, parse_scheme
from app.annotations.closing import close_if_free, is_annotating
from app.annotations.events import Stored
from app.annotations.leases import LeaseId
from app.annotations.locks import lock_clips
from app.annotations.overlap import adapt
from app.annotations.rules import Adaptive, Routed, read_rule
from app.annotations.schemas import AnnotationOut
from app.annotations.settings import Annotating, parse_annotating
from app.annotations.statements import is_sqlite, run
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labels.mapping import translation
from app.models import COUNTED, Kind
from app.webhooks.outbox import emit_annotation

__all__ = ["Answer", "Stored", "answer", "heartbeat", "release", "revise"]


def heartbeat(session: Session, lease: LeaseId, account_id: int, *, now: datetime) -> leases.Lease:
    """Extend a lease by the project's lease time."""
    return leases.heartbeat(session, lease, account_id, _find(session, lease, account_id).lease_s, now=now)


def release(session: Session, lease: LeaseId, account_id: int) -> None:
    """Give a clip back unanswered."""
    _find(session, lease, account_id)
    leases.release(session, lease, account_id)


def answer(session: Session, given: Answer, account_id: int, key: str, *, now: datetime) -> Stored:
    """Append an annotation or a skip and end the lease; the last answer of a round moves it to fine-tuning.

    Raises:
        NotFoundError: there is no such lease.
        InvalidError: the scheme or the project does not allow the answer.
        LeaseLostError: somebody else holds the clip now, it was answered, or the round closed.
        ConflictError: the idempotency key was used for another answer.
    """
    asked = _find(session, given.lease, account_id, key)
    if asked.earlier_id is not None:
        first = events.first_answer(session, given, account_id, key)
        if first is not None:
            return first
    settings = parse_annotating(asked.annotating)
    given, version = _under_its_scheme(session, given, asked, settings)
    rule = _rule_of(asked)
    if rule is not None or given.skip_reason is not None:
        lock_clips(session, [asked.clip_id])  # of two answers that come together each must count the other
    row = events.event(
        given,
        asked,
        account_id,
        key,
        scheme_version=version,
        now=now,
        correct=probes.judged(session, given, asked, version),
        supersedes_id=probes.answered_before(session, asked, account_id),
    )
    if given.skip_reason is None:
        ended = _store_answer(session, given.lease, asked, row)
    else:
        ended = _store_skip(session, given, asked, row, settings)
    if ended is None:  # gone, or just stored by the same request sent twice at once
        first = events.first_answer(session, given, account_id, key)
        if first is None:
            raise leases.lost(given.lease)
        return first
    stored, waiting = ended
    if asked.followed:
        emit_annotation(session, stored.id, row)
    if asked.kind == Kind.QUALIFICATION:
        probes.decide(session, asked.project_id, account_id, settings, now=now)
    if rule is not None and given.skip_reason is None:
        adapt(session, asked.project_id, asked.round_id, asked.clip_id, rule, now=now)
    if asked.round_id is not None and (not waiting or rule is not None):
        close_if_free(session, asked.project_id, asked.round_id, now=now)
    return Stored(stored, repeated=False, ending=_ending(asked, waiting))


def revise(session: Session, annotation_id: int, given: Answer, account_id: int, key: str, *, now: datetime) -> Stored:
    """Append an answer that replaces an earlier one of the same annotator; `given.lease` is read from that one.

    Raises:
        NotFoundError: the caller has no such annotation.
        ConflictError: it is a skip, or was revised or taken back already.
        InvalidError: the scheme or the project does not allow the answer.
    """
    leases.one_request_at_a_time(session, account_id)
    before = run(session, statements.ANNOTATION, annotation=annotation_id).first()
    if before is None or before.account_id != account_id:
        raise NotFoundError(f"you have no annotation {annotation_id}")
    given = replace(given, lease=LeaseId(before.assignment_id, before.fence))
    asked = _find(session, given.lease, account_id, key)
    if asked.earlier_id is not None:
        first = events.first_answer(session, given, account_id, key)
        if first is not None:
            return first
    if before.skip_reason is not None or before.withdrawn:
        raise ConflictError(f"annotation {annotation_id} is no answer: undo it, then answer the clip")
    if run(session, statements.SUPERSEDED, annotation=annotation_id).scalar_one():
        raise ConflictError(f"annotation {annotation_id} was revised or taken back: revise the newest answer")
    settings = parse_annotating(asked.annotating)
    given, version = _under_its_scheme(session, given, asked, settings)
    rule = _rule_of(asked)
    if rule is not None and not _adapts(session, asked):
        rule = None
    row = events.event(
        given,
        asked,
        account_id,
        key,
        scheme_version=version,
        now=now,
        correct=probes.judged(session, given, asked, version),
        supersedes_id=annotation_id,
        shown=before.shown,
    )
    stored = Stored(events.append(session, row), repeated=False)
    if asked.followed:
        emit_annotation(session, stored.annotation.id, row)
    if rule is not None:
        adapt(session, asked.project_id, asked.round_id, asked.clip_id, rule, now=now)
    return stored


def _rule_of(asked: Any) -> Adaptive | Routed | None:
    """By which further answers about the clip are asked for; None where their number is fixed."""
    return None if asked.adaptive is None or asked.kind not in COUNTED else read_rule(asked.adaptive)


def _adapts(session: Session, asked: Any) -> bool:
    """Whether its round still asks about the clip; both are locked, which comes before anything is written."""
    lock_clips(session, [asked.clip_id])
    return is_annotating(session, asked.round_id)


def _find(session: Session, lease: LeaseId, account_id: int, key: str = "") -> Any:
    """The lease's assignment with what its project says about answers; NotFoundError when there is no such lease."""
    row = run(session, statements.ASKED, assignment=lease.assignment, me=account_id, key=key).first()
    if row is None or not 1 <= lease.fence <= row.fence:
        raise NotFoundError(f"there is no lease {lease}")
    return row


def _under_its_scheme(session: Session, given: Answer, asked: Any, settings: Annotating) -> tuple[Answer, int]:
    """The answer, checked against the version of the scheme its annotator saw, and that version."""
    if given.scheme_version is None or given.scheme_version == asked.scheme_version:
        return checked(given, parse_scheme(asked.scheme), settings), asked.scheme_version
    scheme = translation(session, asked.project_id).scheme_of(given.scheme_version)
    if scheme is None:
        raise InvalidError(
            f"scheme_version {given.scheme_version} is none of this project: the newest is {asked.scheme_version}"
        )
    return checked(given, scheme, settings), given.scheme_version


def _store_answer(
    session: Session, lease: LeaseId, asked: Any, row: dict[str, Any]
) -> tuple[AnnotationOut, int] | None:
    """leased → done, the event, and how many answers the round still waits for; None when the lease is gone."""
    held = {"assignment": lease.assignment, "held_fence": lease.fence, "me": row["account_id"]}
    if is_sqlite(session):
        if run(session, statements.FINISH, **held).first() is None:
            return None
        return events.append(session, row), _waiting(session, asked)
    parameters = events.as_parameters(row)
    stored = run(session, statements.ANSWER, **held, **parameters, **_of_round(asked)).first()
    return None if stored is None else (events.told(stored.id, row), stored.waiting)


def _store_skip(
    session: Session, given: Answer, asked: Any, row: dict[str, Any], settings: Annotating
) -> tuple[AnnotationOut, int] | None:
    assert given.skip_reason is not None
    held = {"assignment": given.lease.assignment, "held_fence": given.lease.fence, "me": row["account_id"]}
    effect = skips.end_lease(session, asked, held, given.skip_reason, settings)
    if effect is None:
        return None
    return events.append(session, row | {"effect": str(effect), "supersedes_id": None}), _waiting(session, asked)


def _waiting(session: Session, asked: Any) -> int:
    waiting: int = run(session, statements.WAITING, **_of_round(asked)).scalar_one()
    return waiting


def _ending(asked: Any, waiting: int) -> tuple[int, int] | None:
    """The project and round of an answer after which few are left."""
    return (
        (asked.project_id, asked.round_id) if asked.round_id is not None and waiting < statements.NEARLY_DONE else None
    )


def _of_round(asked: Any) -> dict[str, int]:
    return {"of_project": asked.project_id, "of_round": asked.round_id or 0}
