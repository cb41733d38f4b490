"""The end of a round: nothing waits any more, so it moves to fine-tuning.

Answers do not lock their round: on PostgreSQL that would put all of them in one line. Two last answers at the same
time may therefore each see the other still waiting; who looks after the commit, or asks for the next clip, ends the
round. Whoever gives a clip back to a round locks the round first, so no round ends while something comes back to it.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from app.annotations import statements
from app.annotations.statements import run
from app.errors import ConflictError
from app.models import Round, RoundState
from app.rounds import service as rounds


def waiting(session: Session, project_id: int, round_id: int) -> int:
    """How many answers the round waits for, counted up to `statements.NEARLY_DONE`."""
    counted: int = run(session, statements.WAITING, of_project=project_id, of_round=round_id).scalar_one()
    return counted


def close_if_done(session: Session, project_id: int, round_id: int, *, now: datetime) -> bool:
    """Move the round to fine-tuning when nothing waits in it; whether this call moved it."""
    if waiting(session, project_id, round_id):
        return False
    rounds.lock(session, round_id)
    return _close_if_done(session, project_id, round_id, now)


def close_if_free(session: Session, project_id: int, round_id: int, *, now: datetime) -> bool:
    """The same for a transaction that holds an assignment: where somebody else has the round now, it does not wait."""
    if waiting(session, project_id, round_id) or not rounds.try_lock(session, round_id):
        return False
    return _close_if_done(session, project_id, round_id, now)


def _close_if_done(session: Session, project_id: int, round_id: int, now: datetime) -> bool:
    """The same once the round is locked: something may have come back to it meanwhile."""
    return not waiting(session, project_id, round_id) and rounds.start_fine_tuning(session, round_id, now=now)


def is_annotating(session: Session, round_id: int) -> bool:
    """Whether the round waits for annotators, and goes on doing so until the commit."""
    rounds.lock(session, round_id)
    return session.get_one(Round, round_id, populate_existing=True).state == RoundState.ANNOTATING


def hold_open(session: Session, round_id: int) -> Round:
    """The round, locked until the commit; ConflictError unless it waits for annotators."""
    rounds.lock(session, round_id)
    found = session.get_one(Round, round_id, populate_existing=True)
    if found.state != RoundState.ANNOTATING:
        raise ConflictError(f"round {found.number} is {found.state}: only a round that is annotating takes clips back")
    return found
