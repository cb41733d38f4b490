"""What moves a round besides its jobs: people open, close, cancel and retry it. The functions flush and never commit.

Every change of state is a compare-and-set, so any of them may be repeated, and of two that race one wins.
"""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from al_core.recipe import Recipe
from al_core.strategies.specs import Strategy
from app.annotations.locks import lock_assignments
from app.annotations.rules import Adaptive, Routed
from app.annotations.settings import read_annotating
from app.clips.leaks import refuse_leaks
from app.errors import ConflictError, InvalidError, NotFoundError
from app.jobs import queue
from app.labels.service import count_bought
from app.models import (
    OPEN_STATES,
    ArmReceipt,
    Assignment,
    AssignmentState,
    Job,
    JobState,
    Pick,
    Project,
    Round,
    RoundState,
)
from app.projects.checks import check_values
from app.projects.service import check_run, get_project
from app.specs import as_json, read_scheme
from app.webhooks.outbox import emit

_STAGE_OF: dict[str, tuple[queue.Kind, RoundState]] = {
    "acquire": ("acquire", RoundState.ACQUIRING),
    "fine_tune": ("fine_tune", RoundState.FINE_TUNING),
    "evaluate": ("evaluate", RoundState.EVALUATING),
}


def open_round(
    session: Session,
    project_id: int,
    *,
    now: datetime,
    strategy: Strategy | None = None,
    recipe: Recipe | None = None,
    batch_size: int | None = None,
    control_size: int | None = None,
    overlap: int | None = None,
    adaptive: Adaptive | Routed | None = None,
) -> Round:
    """Open the project's next round and queue its acquisition; what is not given comes from the project.

    Raises:
        NotFoundError: there is no such project.
        ConflictError: a round is open, or the budget is spent.
        LeakRefusedError: splits share a speaker, session or recording.
        InvalidError: a recipe or strategy that cannot work in this project, test clips that CCC cannot be measured on.
    """
    project = get_project(session, project_id)
    check_run(session, project, recipe, strategy)
    check_values(session, project, "test")
    newest = _newest(session, project_id)
    if newest is not None and newest.state in OPEN_STATES:
        raise ConflictError(f"round {newest.number} is {newest.state}: let it finish, close or cancel it first")
    left = budget_left(session, project)
    if left is not None and left <= 0:
        raise ConflictError(f"the budget of {project.budget} labels is spent: raise it to open another round")
    warnings = refuse_leaks(session, project)
    size = batch_size or project.batch_size
    rule = _rule(project, adaptive)
    opened = Round(
        project_id=project_id,
        number=0 if newest is None else newest.number + 1,
        state=RoundState.ACQUIRING,
        strategy=project.strategy if strategy is None else as_json(strategy),
        recipe=project.recipe if recipe is None else as_json(recipe),
        seed=project.seed,
        batch_size=size,
        control_size=round(size * project.control_share) if control_size is None else control_size,
        overlap=_overlap(overlap or project.overlap, rule),
        adaptive=None if rule is None else rule.model_dump(),
        warnings=warnings,
        created_at=now,
    )
    session.add(opened)
    session.flush()
    queue.enqueue(session, "acquire", project_id, round_id=opened.id, now=now)
    return opened


def _rule(project: Project, given: Adaptive | Routed | None) -> Adaptive | Routed | None:
    chosen = given or read_annotating(project.annotating).adaptive
    if isinstance(chosen, Routed) and not read_scheme(project.scheme).classes:
        raise InvalidError(
            "adaptive: routing weighs classes, and this scheme has dimensions alone; give at_least, at_most and sure"
        )
    return chosen


def _overlap(wanted: int, rule: Adaptive | Routed | None) -> int:
    """How many answers are asked for at once: never more than the rule may end with."""
    if rule is None:
        return wanted
    return min(wanted, rule.limit if isinstance(rule, Routed) else rule.at_most)


def budget_left(session: Session, project: Project) -> int | None:
    """Labels the project may still buy; None when there is no end."""
    return None if project.budget is None else project.budget - count_bought(session, project.id)


def get_round(session: Session, round_id: int) -> Round:
    """The round; NotFoundError when there is none."""
    found = session.get(Round, round_id)
    if found is None:
        raise NotFoundError(f"there is no round {round_id}")
    return found


def find_round(session: Session, project_id: int, number: int | None = None) -> Round:
    """The project's round of this number, the newest unless given; NotFoundError when there is none."""
    own = select(Round).where(Round.project_id == project_id).order_by(Round.number.desc())
    found = session.scalars((own if number is None else own.where(Round.number == number)).limit(1)).one_or_none()
    if found is None:
        raise NotFoundError("the project has no round yet" if number is None else f"the project has no round {number}")
    return found


def list_rounds(session: Session, project_id: int, after: int, limit: int) -> list[Round]:
    """The project's rounds in order; NotFoundError when there is no such project."""
    get_project(session, project_id)
    wanted = select(Round).where(Round.project_id == project_id, Round.id > after).order_by(Round.id)
    return list(session.scalars(wanted.limit(limit)))


def picks(session: Session, round_id: int) -> list[Pick]:
    """The round's picks, arm by arm in order of rank."""
    return list(session.scalars(select(Pick).where(Pick.round_id == round_id).order_by(Pick.arm.desc(), Pick.rank)))


def receipts(session: Session, round_id: int, *options: ORMOption) -> list[ArmReceipt]:
    """What each arm of the round was drawn from, the strategy's first; none of older rounds."""
    own = select(ArmReceipt).where(ArmReceipt.round_id == round_id).order_by(ArmReceipt.arm.desc())
    return list(session.scalars(own.options(*options)))


def require_receipts(session: Session, turn: Round, *options: ORMOption) -> list[ArmReceipt]:
    """The same; ConflictError when there is nothing to replay."""
    found = receipts(session, turn.id, *options)
    if not found:
        why = "chose its clips before receipts were kept" if turn.encoder_digest else "has chosen no clips"
        raise ConflictError(f"round {turn.number} {why}: it cannot be replayed")
    return found


def request_replay(session: Session, round_id: int, *, now: datetime) -> Job:
    """Queue a `replay` of a round. The job is not the round's own: its end moves no round.

    Raises:
        NotFoundError: there is no such round.
        ConflictError: it has no receipts.
    """
    turn = get_round(session, round_id)
    require_receipts(session, turn)
    return queue.enqueue(session, "replay", turn.project_id, {"round_id": round_id}, now=now)


def lock(session: Session, round_id: int) -> None:
    """Make transactions that may close this round wait for each other; SQLite's writers already do."""
    if session.get_bind().dialect.name != "sqlite":
        session.execute(select(Round.id).where(Round.id == round_id).with_for_update(key_share=True))


def try_lock(session: Session, round_id: int) -> bool:
    """The same without waiting; False where another transaction has the round."""
    if session.get_bind().dialect.name == "sqlite":
        return True
    free = select(Round.id).where(Round.id == round_id).with_for_update(key_share=True, skip_locked=True)
    return session.execute(free).first() is not None


def start_fine_tuning(session: Session, round_id: int, *, now: datetime) -> bool:
    """annotating → fine_tuning with its job; False when somebody else did it already."""
    moved = session.execute(
        update(Round)
        .where(Round.id == round_id, Round.state == RoundState.ANNOTATING)
        .values(state=RoundState.FINE_TUNING)
        .returning(Round.project_id, Round.number)
        .execution_options(synchronize_session=False)
    ).first()
    if moved is None:
        return False
    queue.enqueue(session, "fine_tune", moved.project_id, round_id=round_id, now=now)
    emit(session, moved.project_id, "round.closed", {"round_id": round_id, "number": moved.number}, now=now)
    return True


def close_round(session: Session, round_id: int, *, now: datetime) -> Round:
    """Stop waiting for answers and fine-tune on those that came; ConflictError unless the round is annotating."""
    lock(session, round_id)
    found = get_round(session, round_id)
    if not start_fine_tuning(session, round_id, now=now):
        raise ConflictError(f"round {found.number} is {found.state}: only a round that is annotating can be closed")
    _drop_assignments(session, round_id)
    session.refresh(found)
    return found


def cancel_round(session: Session, round_id: int, *, now: datetime) -> Round:
    """End an open round and its job; the answers that came stay. ConflictError when it has ended already."""
    lock(session, round_id)
    found = get_round(session, round_id)
    if found.state not in OPEN_STATES:
        raise ConflictError(f"round {found.number} is {found.state}: it cannot be cancelled any more")
    found.state, found.error, found.finished_at = RoundState.CANCELLED, "cancelled on request", now
    session.flush()
    _drop_assignments(session, round_id)
    emit(session, found.project_id, "round.cancelled", {"round_id": round_id, "number": found.number}, now=now)
    working = select(Job.id).where(Job.round_id == round_id, Job.state.in_((JobState.QUEUED, JobState.RUNNING)))
    for job_id in session.scalars(working).all():
        queue.request_cancel(session, job_id, now=now)
    return found


def retry_round(session: Session, round_id: int, *, now: datetime) -> Round:
    """Queue the failed job of a round again; ConflictError unless it failed and is the project's newest round."""
    lock(session, round_id)
    found = get_round(session, round_id)
    newest = _newest(session, found.project_id)
    if found.state != RoundState.FAILED or newest is None or newest.id != round_id:
        raise ConflictError(
            f"round {found.number} is {found.state}: only a project's newest round can be retried, once it failed"
        )
    failed_kind = session.scalars(
        select(Job.kind).where(Job.round_id == round_id, Job.state == JobState.FAILED).order_by(Job.id.desc()).limit(1)
    ).one()
    kind, state = _STAGE_OF[failed_kind]
    found.state, found.error, found.finished_at = state, None, None
    session.flush()
    queue.enqueue(session, kind, found.project_id, round_id=round_id, now=now)
    return found


def _newest(session: Session, project_id: int) -> Round | None:
    number = select(func.max(Round.number)).where(Round.project_id == project_id).scalar_subquery()
    return session.scalars(select(Round).where(Round.project_id == project_id, Round.number == number)).one_or_none()


def _drop_assignments(session: Session, round_id: int) -> None:
    waiting = (AssignmentState.OPEN, AssignmentState.LEASED)
    of_round = (Assignment.round_id == round_id, Assignment.state.in_(waiting))
    lock_assignments(session, *of_round)
    session.execute(
        update(Assignment)
        .where(*of_round)
        .values(state=AssignmentState.OUT, account_id=None, expires_at=None)
        .execution_options(synchronize_session=False)
    )
