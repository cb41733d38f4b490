"""Clips that measure annotators: gold, repeats and the qualification set. They look like any other lease.

A probe is an assignment without a round, reserved for one annotator, made when he asks for clips. Its answer is stored
like any other and never becomes a label.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, insert, or_, select
from sqlalchemy.orm import Session, aliased

from app.annotations import leases, statements
from app.annotations.answers import Answer
from app.annotations.leases import Lease, LeaseId
from app.annotations.settings import Annotating
from app.annotations.statements import run
from app.labels.given import is_answer, is_live
from app.labels.mapping import translation
from app.models import Annotation, Assignment, AssignmentState, GoldClip, Guess, Kind, Qualification

Draw = Callable[[], float]
PASSED = ("passed", "waived")


def mix_in(
    session: Session, project_id: int, account_id: int, held: list[Lease], settings: Annotating, draw: Draw
) -> list[Lease]:
    """The leases, some of which gave way to a gold clip or a repeat: each with the project's chance.

    A clip that gives way goes back to the queue, so a probe is only ever given in place of real work. The account is
    locked before its leases are taken (`leases.one_request_at_a_time`).
    """
    given = []
    for lease in held:
        chance = draw()
        clip_id: int | None = None
        if lease.kind != Kind.ANSWER or chance >= settings.gold_rate + settings.repeat_rate:
            given.append(lease)
            continue
        kind = Kind.GOLD if chance < settings.gold_rate else Kind.REPEAT
        if kind == Kind.GOLD:
            clip_id = _gold_for(session, project_id, account_id, settings.preannotations)
        else:
            clip_id = _repeat_for(session, project_id, account_id, settings.repeat_gap)
        if clip_id is not None:
            leases.release(session, lease.id, account_id)
            lease = _lease(session, project_id, account_id, clip_id, kind, lease)
        given.append(lease)
    return given


def _gold_for(session: Session, project_id: int, account_id: int, guessed: bool) -> int | None:
    """A gold clip this annotator never had, whatever for, any with the same chance; with a guess where they show."""
    wanted = select(GoldClip.clip_id).where(
        GoldClip.project_id == project_id, GoldClip.use == "gold", ~_had(GoldClip.clip_id, account_id)
    )
    if guessed:
        wanted = wanted.where(exists().where(Guess.clip_id == GoldClip.clip_id))
    return session.execute(wanted.order_by(func.random()).limit(1)).scalar_one_or_none()


def _repeat_for(session: Session, project_id: int, account_id: int, gap: int) -> int | None:
    """The clip this annotator answered longest ago and was not given twice; at least `gap` answers lie between."""
    again = aliased(Assignment)
    mine = (Annotation.project_id == project_id, Annotation.account_id == account_id, is_answer())
    repeated = exists().where(
        again.clip_id == Annotation.clip_id,
        or_(again.account_id == account_id, again.addressee_id == account_id),
        again.kind != Kind.ANSWER,
    )
    oldest = session.execute(
        select(Annotation.id, Annotation.clip_id).where(*mine, ~repeated).order_by(Annotation.id).limit(1)
    ).first()
    if oldest is None:
        return None
    since = select(Annotation.id).where(*mine, Annotation.id > oldest.id).limit(gap).subquery()
    between = session.execute(select(func.count()).select_from(since)).scalar_one()
    return oldest.clip_id if between >= gap else None


def _had(clip: Any, account_id: int) -> ColumnElement[bool]:
    """Whether the clip was ever with the annotator, or is reserved for him."""
    own = aliased(Assignment)
    return exists().where(own.clip_id == clip, or_(own.account_id == account_id, own.addressee_id == account_id))


def _lease(session: Session, project_id: int, account_id: int, clip_id: int, kind: Kind, instead: Lease) -> Lease:
    row = {
        "project_id": project_id,
        "clip_id": clip_id,
        "kind": kind,
        "slot": 0,
        "position": instead.position,
        "state": AssignmentState.LEASED,
        "account_id": account_id,
        "addressee_id": account_id,
        "fence": 1,
        "expires_at": instead.expires_at,
    }
    made = session.execute(insert(Assignment).values(row).returning(Assignment.id)).scalar_one()
    lease = replace(instead, id=LeaseId(made, 1), clip_id=clip_id, kind=kind, shown=None)
    return leases.with_clips(session, [lease])[0]


def qualify(
    session: Session, project_id: int, account_id: int, count: int, lease_s: float, *, now: datetime
) -> list[Lease] | None:
    """Clips of the qualification set that this annotator has yet to answer; None when there is no set."""
    leases.one_request_at_a_time(session, account_id)
    in_set = (GoldClip.project_id == project_id, GoldClip.use == "qualification")
    if session.execute(select(GoldClip.id).where(*in_set).limit(1)).first() is None:
        return None
    own = aliased(Assignment)
    asked = exists().where(
        own.clip_id == GoldClip.clip_id, own.addressee_id == account_id, own.kind == Kind.QUALIFICATION
    )
    missing = session.scalars(select(GoldClip.clip_id).where(*in_set, ~asked).order_by(GoldClip.id))
    rows = [
        {
            "project_id": project_id,
            "clip_id": clip_id,
            "kind": Kind.QUALIFICATION,
            "slot": 0,
            "position": 0,
            "state": AssignmentState.OPEN,
            "addressee_id": account_id,
        }
        for clip_id in missing
    ]
    if rows:
        session.execute(insert(Assignment), rows)
    return leases.claim_qualification(session, project_id, account_id, count, lease_s, now=now)


def decide(session: Session, project_id: int, account_id: int, settings: Annotating, *, now: datetime) -> None:
    """Pass or fail the annotator, once every clip of the set is answered or skipped. A skip is not right."""
    if settings.qualification is None or session.get(Qualification, (project_id, account_id)) is not None:
        return
    in_set = select(func.count()).select_from(GoldClip)
    asked = session.execute(in_set.where(GoldClip.project_id == project_id, GoldClip.use == "qualification"))
    answered = session.execute(
        select(Annotation.correct)
        .join(GoldClip, GoldClip.clip_id == Annotation.clip_id)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .where(
            Assignment.addressee_id == account_id,  # an earlier attempt's are nobody's any more
            Annotation.project_id == project_id,
            Annotation.account_id == account_id,
            Annotation.kind == Kind.QUALIFICATION,
            GoldClip.project_id == project_id,
            GoldClip.use == "qualification",
            is_live(),
        )
    )
    marks = list(answered.scalars())
    if len(marks) < asked.scalar_one():
        return
    right = sum(mark is True for mark in marks)
    state = "passed" if right >= settings.qualification * len(marks) else "failed"
    found = Qualification(
        project_id=project_id, account_id=account_id, state=state, asked=len(marks), correct=right, decided_at=now
    )
    session.add(found)
    session.flush()


def judged(session: Session, given: Answer, asked: Any, version: int) -> bool | None:
    """Whether the answer to a clip with a known answer is right; None for other clips, and for skips."""
    if asked.kind not in (Kind.GOLD, Kind.QUALIFICATION) or given.skip_reason is not None:
        return None
    known = session.execute(
        select(GoldClip.labels, GoldClip.dimensions).where(
            GoldClip.project_id == asked.project_id, GoldClip.clip_id == asked.clip_id
        )
    ).first()
    if known is None:  # taken out of the set while it was leased
        return None
    names = [] if given.label is None else translation(session, asked.project_id).classes(given.label, version)
    return (not known.labels or not set(names).isdisjoint(known.labels)) and all(
        _within((given.dimensions or {}).get(name), bounds) for name, bounds in known.dimensions.items()
    )


def _within(value: float | None, bounds: Iterable[float]) -> bool:
    low, high = bounds
    return value is not None and low <= value <= high


def answered_before(session: Session, asked: Any, account_id: int) -> int | None:
    """The answer of the same annotator that a second one replaces; None unless he was asked again."""
    if asked.kind != Kind.AGAIN:
        return None
    mine = (Annotation.clip_id == asked.clip_id, Annotation.account_id == account_id, is_answer())
    newest = select(Annotation.id).where(Annotation.project_id == asked.project_id, *mine)
    return session.execute(newest.order_by(Annotation.id.desc()).limit(1)).scalar_one_or_none()


def reveal(session: Session, held: list[Lease]) -> list[Lease]:
    """The leases with the promoted checkpoint's guess, which their assignments remember as shown."""
    guesses = {row.clip_id: row for row in run(session, statements.GUESSES, clip_ids=[one.clip_id for one in held])}
    shown = []
    for lease in held:
        guess = guesses.get(lease.clip_id)
        if guess is not None:
            told = {
                "checkpoint_id": guess.checkpoint_id, "label": guess.label, "probabilities": guess.probabilities
            }  # fmt: skip
            run(session, statements.SHOW, assignment=lease.id.assignment, seen=told)
            lease = replace(lease, shown=told)
        shown.append(lease)
    return shown
