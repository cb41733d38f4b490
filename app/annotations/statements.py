"""Every statement of the annotators' hot path, built once: building them anew costs more than the database does.

Plain Core over the tables, run on the transaction's connection by `run`. No parameter is named like a column, as an
UPDATE of SQLAlchemy asks. PostgreSQL claims and answers in one round trip each; SQLite, which has no round trips and
no data-modifying WITH, takes the same steps one by one.
"""

from typing import Any, cast

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    CursorResult,
    Executable,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Session

from app.db import UtcDateTime
from app.models import (
    Account,
    Annotation,
    Assignment,
    AssignmentState,
    Clip,
    Guess,
    Kind,
    LabelStudioLink,
    Project,
    Qualification,
    Round,
    Webhook,
)

MOST_COUNTED = 200
NEARLY_DONE = 64  # answers that may be on their way at once: with fewer left, somebody looks again after the commit

_projects_table, _rounds_table = cast(Table, Project.__table__), cast(Table, Round.__table__)
_clips_table, _standings_table = cast(Table, Clip.__table__), cast(Table, Qualification.__table__)
_accounts, _clips = cast(Table, Account.__table__).c, _clips_table.c
_projects, _rounds, _standings = _projects_table.c, _rounds_table.c, _standings_table.c
_assignments_table, _annotations_table = cast(Table, Assignment.__table__), cast(Table, Annotation.__table__)
_assignments, _annotations = _assignments_table.c, _annotations_table.c

# constants in the text, not parameters: the planner sees them, and no IN list is expanded at every call
_OPEN: ColumnElement[str] = literal_column(f"'{AssignmentState.OPEN.value}'")
_LEASED: ColumnElement[str] = literal_column(f"'{AssignmentState.LEASED.value}'")
_moment = bindparam("moment", type_=UtcDateTime())
_ends_at = bindparam("ends_at", type_=UtcDateTime())
_me: BindParameter[int] = bindparam("me", type_=Integer)
_of_project = bindparam("of_project", type_=Integer)
_assignment = bindparam("assignment", type_=Integer)


def run(session: Session, statement: Executable, **parameters: Any) -> CursorResult[Any]:
    """Execute on the session's connection, without the ORM's own work."""
    return session.connection().execute(statement, parameters)


def is_sqlite(session: Session) -> bool:
    """Whether the session's database is SQLite, whose writers are alone."""
    return session.get_bind().dialect.name == "sqlite"


LOCK_ACCOUNT = select(_accounts.id).where(_accounts.id == _me).with_for_update(key_share=True)


def _counted(round_id: ColumnElement[int], most: int, besides: ColumnElement[int] | None = None) -> Any:
    """How many assignments of a round wait, up to `most`.

    Read in the queue's order: any other plan walks over the rows of a long round that are done.
    """
    parts = []
    for state in (_LEASED, _OPEN):
        rows = _assignments_table.alias()
        of_round = (
            rows.c.round_id + 0 == round_id
        )  # the sum keeps a planner that has no figures yet from the other index
        waits = (rows.c.project_id == _of_project, rows.c.state == state, of_round)
        part = select(rows.c.id).where(*waits).order_by(rows.c.position, rows.c.id).limit(most)
        parts.append(select((part if besides is None else part.where(rows.c.id != besides)).subquery()))
    some = union_all(*parts).limit(most).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


_newest = (
    select(_rounds.id)
    .where(_rounds.project_id == _of_project)
    .order_by(_rounds.number.desc())
    .limit(1)
    .scalar_subquery()
)
PROJECT_NOW = (
    select(
        _projects.lease_s,
        as_type(_projects.annotating, Text).label("annotating"),
        _standings.state.label("standing"),
        _rounds.id,
        _rounds.number,
        _rounds.state,
        _counted(_newest, MOST_COUNTED).label("remaining"),
    )
    .select_from(
        _projects_table.outerjoin(_rounds_table, _rounds.id == _newest).outerjoin(
            _standings_table, and_(_standings.project_id == _projects.id, _standings.account_id == _me)
        )
    )
    .where(_projects.id == _of_project)
)
_of_round = bindparam("of_round", type_=Integer)
WAITING = select(_counted(_of_round, NEARLY_DONE))

_HEARD = (_clips.start_s, _clips.end_s, as_type(_clips.peaks, Text).label("peaks"))
_LEASE = (_assignments.id, _assignments.fence, _assignments.clip_id, _assignments.position, _assignments.kind)
_GUESSED = as_type(_assignments.shown, Text).label("shown")
CLIPS = select(_clips.id, *_HEARD).where(_clips.id.in_(bindparam("clip_ids", expanding=True)))
HELD = (
    select(*_LEASE, _assignments.expires_at, _GUESSED, *_HEARD)
    .join_from(_assignments_table, _clips_table, _clips.id == _assignments.clip_id)
    .where(
        _assignments.project_id == _of_project,
        _assignments.state == _LEASED,
        _assignments.account_id == _me,
    )
    .order_by(_assignments.position, _assignments.id)
)


def _free(expired: bool, kind: Kind | None) -> Select[Any]:
    """Assignments this annotator may take, in order: reserved for him, or of a clip he never had."""
    candidate, own = _assignments_table.alias("candidate"), _assignments_table.alias("own")
    free: ColumnElement[bool] = candidate.c.state == _OPEN
    if expired:
        free = (candidate.c.state == _LEASED) & (candidate.c.expires_at < _moment)
    heard = exists().where(own.c.clip_id == candidate.c.clip_id, own.c.account_id == _me, own.c.id != candidate.c.id)
    mine = candidate.c.addressee_id == _me
    allowed = or_(mine, and_(candidate.c.addressee_id.is_(None), ~heard)) if kind is None else mine
    if kind is not None:
        free = free & (candidate.c.kind == kind.value)
    return (
        select(
            candidate.c.id,
            candidate.c.clip_id,
            candidate.c.position,
            literal_column("0" if expired else "1", Integer).label("turn"),
        )
        .where(candidate.c.project_id == _of_project, free, allowed)
        .order_by(candidate.c.position, candidate.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


def _claim(postgresql: bool, kind: Kind | None = None) -> Update:
    """Lease up to `most` clips, each once, expired leases first.

    PostgreSQL locks what it looks at, so the candidates stand in WITH, which it evaluates once.
    """
    expired, free = _free(True, kind), _free(False, kind)
    expired_rows: CTE | Subquery
    free_rows: CTE | Subquery
    if postgresql:
        expired_rows, free_rows = expired.cte("expired"), free.cte("free")
    else:
        expired_rows, free_rows = expired.subquery("expired"), free.subquery("free")
    either = union_all(select(expired_rows), select(free_rows)).subquery("either")
    first = (
        select(func.min(either.c.id).label("id"))
        .group_by(either.c.clip_id)
        .order_by(func.min(either.c.turn), func.min(either.c.position))
        .limit(bindparam("most", type_=Integer))
    )
    leased = update(_assignments_table).values(
        state=AssignmentState.LEASED.value,
        account_id=_me,
        fence=_assignments.fence + 1,
        expires_at=_ends_at,
        shown=None,
    )
    if not postgresql:
        return leased.where(_assignments.id.in_(first)).returning(*_LEASE)
    chosen = first.cte("chosen")
    return leased.where(_assignments.id == chosen.c.id, _clips.id == _assignments.clip_id).returning(*_LEASE, *_HEARD)


CLAIM, CLAIM_SQLITE = _claim(postgresql=True), _claim(postgresql=False)
CLAIM_QUALIFICATION, CLAIM_QUALIFICATION_SQLITE = (
    _claim(postgresql=True, kind=Kind.QUALIFICATION),
    _claim(postgresql=False, kind=Kind.QUALIFICATION),
)

_held_by_me = (
    (_assignments.id == _assignment)
    & (_assignments.fence == bindparam("held_fence", type_=Integer))
    & (_assignments.account_id == _me)
    & (_assignments.state == _LEASED)
)
HEARTBEAT = update(_assignments_table).where(_held_by_me).values(expires_at=_ends_at).returning(_assignments.clip_id)


def _end(state: AssignmentState, keep_holder: bool, **more: Any) -> Update:
    values: dict[str, Any] = {"state": state.value, "expires_at": None} | more
    if not keep_holder:
        values["account_id"] = None
    return update(_assignments_table).where(_held_by_me).values(values).returning(_assignments.id)


FINISH, PASS_ON, REOPEN, TAKE_OUT, PUT_LAST = (
    _end(AssignmentState.DONE, keep_holder=True),
    _end(AssignmentState.SKIPPED, keep_holder=True),
    _end(AssignmentState.OPEN, keep_holder=False),
    _end(AssignmentState.OUT, keep_holder=False),
    _end(AssignmentState.OPEN, keep_holder=False, position=bindparam("last", type_=Integer)),
)

_webhooks, _links = cast(Table, Webhook.__table__).c, cast(Table, LabelStudioLink.__table__).c
# whether anybody listens to the project, as `app/webhooks/outbox.py` asks: here it costs no round trip
_followed = or_(
    exists().where(_webhooks.project_id == _assignments.project_id, _webhooks.paused_at.is_(None)),
    exists().where(_links.project_id == _assignments.project_id, _links.follow),
)
_earlier = _annotations_table.alias("earlier")
ASKED = (
    select(
        _assignments.project_id,
        _assignments.round_id,
        _assignments.clip_id,
        _assignments.kind,
        _assignments.slot,
        _assignments.position,
        _assignments.fence,
        _assignments.shown,
        _projects.lease_s,
        _projects.scheme_version,
        as_type(_projects.scheme, Text).label("scheme"),
        as_type(_projects.annotating, Text).label("annotating"),
        _rounds.adaptive,
        _followed.label("followed"),
        _earlier.c.id.label("earlier_id"),
    )
    .select_from(
        _assignments_table.join(_projects_table, _projects.id == _assignments.project_id)
        .outerjoin(_rounds_table, _rounds.id == _assignments.round_id)
        .outerjoin(
            _earlier, and_(_earlier.c.account_id == _me, _earlier.c.idempotency_key == bindparam("key", type_=Text))
        )
    )
    .where(_assignments.id == _assignment)
)

STORED = tuple(column.name for column in _annotations_table.columns if column.name != "id")
ANNOTATION = select(_annotations_table).where(_annotations.id == bindparam("annotation", type_=Integer))
BY_KEY = select(_annotations_table).where(
    _annotations.account_id == _me, _annotations.idempotency_key == bindparam("key", type_=Text)
)
_new = {name: bindparam(f"new_{name}", type_=_annotations[name].type) for name in STORED}
APPEND = insert(_annotations_table).values(_new).returning(_annotations.id)


def _answer() -> Select[Any]:
    """FINISH, APPEND and WAITING in one statement; no row when the lease is gone."""
    done = FINISH.cte("done")
    said = (
        insert(_annotations_table)
        .from_select(list(_new), select(*_new.values()).select_from(done), include_defaults=False)
        .returning(_annotations.id)
        .cte("said")
    )
    # the counted rows are those before this statement: the one that ends here still waits among them
    others = _counted(_of_round, NEARLY_DONE, besides=_assignment)
    return select(said.c.id, others.label("waiting"))


ANSWER = _answer()
SUPERSEDED = select(exists().where(_annotations.supersedes_id == bindparam("annotation", type_=Integer)))
_guesses = cast(Table, Guess.__table__).c
GUESSES = select(_guesses.clip_id, _guesses.checkpoint_id, _guesses.label, _guesses.probabilities).where(
    _guesses.clip_id.in_(bindparam("clip_ids", expanding=True))
)
SHOW = (
    update(_assignments_table)
    .where(_assignments.id == _assignment)
    .values(shown=bindparam("seen", type_=_assignments.shown.type))
)
