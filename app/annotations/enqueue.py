"""Queueing a round's clips for annotators."""

from collections.abc import Mapping, Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.annotations.order import Queued, interleaved
from app.models import Assignment, AssignmentState, Clip, Round


def enqueue(session: Session, turn: Round, clip_ids: Sequence[int], predicted: Mapping[int, str]) -> None:
    """Ask for `overlap` answers to each clip, slot by slot: every clip is asked once before any is asked twice.

    Args:
        session: of the transaction that moves the round to annotating.
        turn: the round.
        clip_ids: each once, in the order in which they matter.
        predicted: clip → the class a checkpoint hears in it, where there is one; annotators do not see it.
    """
    speakers = dict(session.execute(select(Clip.id, Clip.speaker).where(Clip.project_id == turn.project_id)).all())
    queue = interleaved([Queued(i, speakers.get(i), predicted.get(i)) for i in clip_ids])
    rows = [
        {
            "project_id": turn.project_id,
            "round_id": turn.id,
            "clip_id": clip.clip_id,
            "slot": slot,
            "position": slot * len(queue) + place,
            "state": AssignmentState.OPEN,
        }
        for slot in range(turn.overlap)
        for place, clip in enumerate(queue)
    ]
    if rows:
        session.execute(insert(Assignment), rows)
