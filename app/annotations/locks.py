"""What waits for what on PostgreSQL, in one order, so that no two requests ever wait for each other.

1. the account: `leases.one_request_at_a_time`;
2. clips, smallest id first: `lock_clips`;
3. the round: `rounds.lock`;
4. assignments, smallest id first where several are taken at once: `lock_assignments`.

An answer ends its own assignment and looks at the round last, so it takes the round only where nobody else has it now
(`closing.close_if_free`), and others' assignments only where nobody else has them.
Several requests in one transaction (`app/writer.py`) and several rows of an import cannot keep the order among each
other. Where that makes a circle the server ends one of its transactions: requests that shared one run again, each
alone, a batch of rows runs again, and any other request is told to (409). SQLite's writers are alone.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from app.annotations.statements import is_sqlite
from app.models import Assignment

_CLIPS = 6  # the class of these advisory locks; the second key is the clip's id


def lock_clips(session: Session, clip_ids: Iterable[int]) -> None:
    """Make transactions that decide how many are asked about one clip wait for each other, until the commit."""
    if is_sqlite(session):
        return
    for clip_id in sorted(set(clip_ids)):
        session.execute(text("SELECT pg_advisory_xact_lock(:kind, :clip)"), {"kind": _CLIPS, "clip": clip_id})


def lock_assignments(session: Session, *where: ColumnElement[bool]) -> None:
    """Lock these assignments until the commit, in the one order."""
    if not is_sqlite(session):
        found = select(Assignment.id).where(*where).order_by(Assignment.id)
        session.execute(found.with_for_update(key_share=True)).all()  # events may refer to them meanwhile
