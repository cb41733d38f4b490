"""The pool of a round's arm, and how many clips the budget still allows. Reads only."""

from sqlalchemy.orm import Session

from app.labels.service import answers, closed_clips, count_bought, picks_of
from app.models import Arm, Project, Round


def pool_of_arm(session: Session, project_id: int, arm: Arm, training: list[int], known: set[int]) -> list[int]:
    """Training clips this arm may pick: not answered yet, no reference label, not closed to strategies.

    A clip that the other arm had answered may be picked: its answer is there. One that was answered elsewhere and that
    no round picked is in the seed set of both arms.

    Args:
        session: to read with.
        project_id: whose clips.
        arm: whose pool.
        training: ids of the training clips, in order.
        known: ids of the clips that came with a reference label.
    """
    own, anybodys = picks_of(session, project_id, arm), picks_of(session, project_id)
    answered = answers(session, project_id).keys()
    closed = (own & answered) | (answered - anybodys) | known | closed_clips(session, project_id)
    return [clip_id for clip_id in training if clip_id not in closed]


def sizes(session: Session, project: Project, turn: Round) -> dict[Arm, int]:
    """Clips each arm may pick: the round's sizes, scaled down together when the budget does not reach."""
    wanted = turn.batch_size + turn.control_size
    left = wanted if project.budget is None else max(0, project.budget - count_bought(session, project.id))
    strategy = turn.batch_size if left >= wanted else -(-left * turn.batch_size // wanted)
    return {Arm.STRATEGY: strategy, Arm.CONTROL: min(turn.control_size, max(0, left - strategy))}
