"""The pool of a round's arm, and how many clips the budget still allows. Reads only."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.labels.service import answers, closed_clips, count_bought
from app.models import Arm, Pick, Project, Round


def pool_of_arm(session: Session, project_id: int, arm: Arm, training: list[int], known: set[int]) -> list[int]:
    """Training clips this arm may pick: not picked and answered already, no reference label, not closed to strategies.

    Args:
        session: to read with.
        project_id: whose clips.
        arm: whose pool.
        training: ids of the training clips, in order.
        known: ids of the clips that came with a reference label.
    """
    picked = select(Pick.clip_id).join(Round, Round.id == Pick.round_id)
    own = set(session.scalars(picked.where(Round.project_id == project_id, Pick.arm == arm)))
    answered = answers(session, project_id).keys()
    closed = (own & answered) | known | closed_clips(session, project_id)
    return [clip_id for clip_id in training if clip_id not in closed]


def sizes(session: Session, project: Project, turn: Round) -> dict[Arm, int]:
    """Clips each arm may pick: the round's sizes, scaled down together when the budget does not reach."""
    wanted = turn.batch_size + turn.control_size
    left = wanted if project.budget is None else max(0, project.budget - count_bought(session, project.id))
    strategy = turn.batch_size if left >= wanted else -(-left * turn.batch_size // wanted)
    return {Arm.STRATEGY: strategy, Arm.CONTROL: min(turn.control_size, max(0, left - strategy))}
