"""Changes of a round's state by its jobs: compare-and-set, so that a round which moved meanwhile is left alone."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.models import Round, RoundState
from app.webhooks.outbox import EventKind, emit

_TOLD: dict[RoundState, EventKind] = {
    RoundState.ANNOTATING: "round.ready",
    RoundState.FINE_TUNING: "round.closed",
    RoundState.FINISHED: "round.finished",
}


class RoundMovedError(RuntimeError):
    """The round was cancelled or moved while the job ran: what the job found is dropped."""


def move(session: Session, round_id: int, begin: RoundState, end: RoundState, **values: Any) -> None:
    """begin → end, with other columns; RoundMovedError unless the round is in `begin`."""
    moved = session.execute(
        update(Round)
        .where(Round.id == round_id, Round.state == begin)
        .values(state=end, **values)
        .returning(Round.project_id, Round.number)
        .execution_options(synchronize_session=False)
    ).first()
    if moved is None:
        raise RoundMovedError(f"round {round_id} is not {begin} any more: nothing of this job was stored")
    if end in _TOLD:
        emit(session, moved.project_id, _TOLD[end], {"round_id": round_id, "number": moved.number})
