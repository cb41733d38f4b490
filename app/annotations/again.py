"""Asking annotators once more about clips they answered. Their new answer supersedes the old one, which is kept."""

from collections.abc import Iterable

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.annotations.closing import is_annotating
from app.models import Assignment, AssignmentState, Kind, Round, RoundState

FIRST = -1  # the position before every clip of a batch


def open_round_of(session: Session, project_id: int) -> int | None:
    """The round that waits for annotators, held open until the commit; None when there is none."""
    wanted = select(Round.id).where(Round.project_id == project_id, Round.state == RoundState.ANNOTATING)
    round_id = session.execute(wanted).scalar_one_or_none()
    return round_id if round_id is not None and is_annotating(session, round_id) else None


def ask_again(session: Session, project_id: int, whom: Iterable[tuple[int, int]]) -> int:
    """Put clips first in the queues of those who answered them; how many were put there.

    A round that is annotating waits for them. Who is being asked again already is not asked twice.

    Args:
        session: of the transaction.
        project_id: whose.
        whom: (clip id, account id) pairs.
    """
    round_id = open_round_of(session, project_id)
    again = select(Assignment.clip_id, Assignment.addressee_id, Assignment.round_id, Assignment.state).where(
        Assignment.project_id == project_id, Assignment.kind == Kind.AGAIN
    )
    rows = session.execute(again).all()
    waiting = {(row.clip_id, row.addressee_id) for row in rows if row.state in ("open", "leased")}
    in_round = {(row.clip_id, row.addressee_id) for row in rows if row.round_id == round_id}
    made = [
        {
            "project_id": project_id,
            "round_id": None if (clip_id, account_id) in in_round else round_id,  # once a round and annotator
            "clip_id": clip_id,
            "kind": Kind.AGAIN,
            "slot": 0,
            "position": FIRST,
            "state": AssignmentState.OPEN,
            "addressee_id": account_id,
        }
        for clip_id, account_id in sorted(set(whom) - waiting)
    ]
    if made:
        session.execute(insert(Assignment), made)
    return len(made)
