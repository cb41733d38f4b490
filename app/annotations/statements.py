"""Every statement of the annotators' hot path, built once: building them anew costs more than the database does.

Plain Core over the tables, run on the transaction's connection by `run`. No parameter is named like a column, as an
UPDATE of SQLAlchemy asks.
"""

from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CursorResult,
    Executable,
    Table,
    Update,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.db import UtcDateTime
from app.models import Account, Annotation, Assignment, AssignmentState, Clip, Project, Round

MOST_COUNTED = 1000

_accounts, _clips, _projects, _rounds = (cast(Table, model.__table__).c for model in (Account, Clip, Project, Round))
_assignments_table, _annotations_table = (cast(Table, model.__table__) for model in (Assignment, Annotation))
_assignments, _annotations = _assignments_table.c, _annotations_table.c
_waiting = _assignments.state.in_((AssignmentState.OPEN.value, AssignmentState.LEASED.value))
_moment = bindparam("moment", type_=UtcDateTime())
_ends_at = bindparam("ends_at", type_=UtcDateTime())
_me: BindParameter[int] = bindparam("me")


def run(session: Session, statement: Executable, **parameters: Any) -> CursorResult[Any]:
    """Execute on the session's connection, without the ORM's own work."""
    return session.connection().execute(statement, parameters)


LOCK_ACCOUNT = select(_accounts.id).where(_accounts.id == _me).with_for_update(key_share=True)

PROJECT_NOW = (
    select(_projects.lease_s, _rounds.id, _rounds.number, _rounds.state)
    .select_from(
        cast(Table, Project.__table__).outerjoin(cast(Table, Round.__table__), _rounds.project_id == _projects.id)
    )
    .where(_projects.id == bindparam("of_project"))
    .order_by(_rounds.number.desc())
    .limit(1)
)

REMAINING = select(func.count()).select_from(
    select(_assignments.id)
    .where(_assignments.project_id == bindparam("of_project"), _waiting)
    .limit(MOST_COUNTED)
    .subquery()
)

CLIPS = select(_clips.id, _clips.start_s, _clips.end_s, _clips.peaks).where(
    _clips.id.in_(bindparam("clip_ids", expanding=True))
)


def _claim(expired: bool) -> Update:
    candidate, own = _assignments_table.alias("candidate"), _assignments_table.alias("own")
    free: ColumnElement[bool] = candidate.c.state == AssignmentState.OPEN.value
    if expired:
        free = (candidate.c.state == AssignmentState.LEASED.value) & (candidate.c.expires_at < _moment)
    answered = exists().where(
        _annotations.project_id == bindparam("of_project"),
        _annotations.clip_id == candidate.c.clip_id,
        _annotations.account_id == _me,
    )
    held = exists().where(
        own.c.round_id == candidate.c.round_id,
        own.c.clip_id == candidate.c.clip_id,
        own.c.account_id == _me,
        own.c.id != candidate.c.id,
    )
    first = (
        select(candidate.c.id)
        .where(candidate.c.project_id == bindparam("of_project"), free, ~answered, ~held)
        .order_by(candidate.c.position)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (
        update(_assignments_table)
        .where(_assignments.id == first.scalar_subquery())
        .values(state=AssignmentState.LEASED.value, account_id=_me, fence=_assignments.fence + 1, expires_at=_ends_at)
        .returning(_assignments.id, _assignments.fence, _assignments.clip_id)
    )


CLAIM_EXPIRED, CLAIM_OPEN = _claim(expired=True), _claim(expired=False)

_held_by_me = (
    (_assignments.id == bindparam("assignment"))
    & (_assignments.fence == bindparam("held_fence"))
    & (_assignments.account_id == _me)
    & (_assignments.state == AssignmentState.LEASED.value)
)
HEARTBEAT = update(_assignments_table).where(_held_by_me).values(expires_at=_ends_at).returning(_assignments.clip_id)


def _end(state: AssignmentState, keep_holder: bool) -> Update:
    values: dict[str, Any] = {"state": state.value, "expires_at": None}
    if not keep_holder:
        values["account_id"] = None
    return update(_assignments_table).where(_held_by_me).values(values).returning(_assignments.id)


FINISH, REOPEN, TAKE_OUT = (
    _end(AssignmentState.DONE, keep_holder=True),
    _end(AssignmentState.OPEN, keep_holder=False),
    _end(AssignmentState.OUT, keep_holder=False),
)
TAKE_CLIP_OUT = (
    update(_assignments_table)
    .where(_assignments.round_id == bindparam("of_round"), _assignments.clip_id == bindparam("clip"), _waiting)
    .values(state=AssignmentState.OUT.value, account_id=None, expires_at=None)
)

ASSIGNMENT = (
    select(
        _assignments.project_id,
        _assignments.round_id,
        _assignments.clip_id,
        _assignments.fence,
        _projects.scheme,
        _projects.lease_s,
    )
    .join_from(_assignments_table, cast(Table, Project.__table__), _projects.id == _assignments.project_id)
    .where(_assignments.id == bindparam("assignment"))
)

FIRST_ANSWER = select(_annotations_table).where(
    _annotations.account_id == _me, _annotations.idempotency_key == bindparam("key")
)
APPEND = insert(_annotations_table).returning(_annotations.id)

ANYTHING_WANTED = select(exists().where(_assignments.project_id == bindparam("of_project"), _waiting))
