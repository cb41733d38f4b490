"""How far a project is: clips, labels bought, the newest round, and who answered how much. Plain SQL."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.annotations.schemas import AnnotatorProgress, ProgressOut, RoundProgress
from app.labels.given import is_live
from app.labels.service import count_bought
from app.models import Account, Annotation, Assignment, AssignmentState, Clip, Round, RoundState
from app.projects.service import get_project


def progress(session: Session, project_id: int) -> ProgressOut:
    """The project's progress; NotFoundError when there is no such project."""
    project = get_project(session, project_id)
    splits = select(Clip.split, func.count()).where(Clip.project_id == project_id).group_by(Clip.split)
    newest = session.scalars(
        select(Round).where(Round.project_id == project_id).order_by(Round.number.desc()).limit(1)
    ).one_or_none()
    return ProgressOut(
        clips={"train": 0, "dev": 0, "test": 0} | dict(session.execute(splits).all()),
        labelled=count_bought(session, project_id),
        budget=project.budget,
        round=None if newest is None else _round(session, newest),
        annotators=_annotators(session, project_id),
    )


def _round(session: Session, newest: Round) -> RoundProgress:
    counted = select(Assignment.state, func.count()).where(Assignment.round_id == newest.id).group_by(Assignment.state)
    by_state = dict(session.execute(counted).all())
    return RoundProgress(
        id=newest.id,
        number=newest.number,
        state=RoundState(newest.state),
        wanted=sum(count for state, count in by_state.items() if state != AssignmentState.SKIPPED),
        done=by_state.get(AssignmentState.DONE, 0),
        leased=by_state.get(AssignmentState.LEASED, 0),
        out=by_state.get(AssignmentState.OUT, 0),
        error=newest.error,
    )


def _annotators(session: Session, project_id: int) -> list[AnnotatorProgress]:
    rows = session.execute(
        select(
            Account.id,
            Account.name,
            func.count() - func.count(Annotation.skip_reason),
            func.count(Annotation.skip_reason),
            func.coalesce(func.sum(Annotation.seconds), 0.0),
        )
        .join(Account, Account.id == Annotation.account_id)
        .where(Annotation.project_id == project_id, is_live())
        .group_by(Account.id, Account.name)
        .order_by(Account.name)
    )
    return [
        AnnotatorProgress(account_id=i, name=name, annotations=labels, skipped=skips, seconds=seconds)
        for i, name, labels, skips, seconds in rows
    ]
