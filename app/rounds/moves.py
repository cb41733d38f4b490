"""Changes of a round's state by its jobs: compare-and-set, so that a round which moved meanwhile is left alone."""

from typing import Any

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from app.models import Round, RoundState


class RoundMovedError(RuntimeError):
    """The round was cancelled or moved while the job ran: what the job found is dropped."""


def move(session: Session, round_id: int, begin: RoundState, end: RoundState, **values: Any) -> None:
    """begin → end, with other columns; RoundMovedError unless the round is in `begin`."""
    outcome = session.execute(
        update(Round)
        .where(Round.id == round_id, Round.state == begin)
        .values(state=end, **values)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(outcome, CursorResult)
    if outcome.rowcount == 0:
        raise RoundMovedError(f"round {round_id} is not {begin} any more: nothing of this job was stored")
