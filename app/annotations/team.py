"""Who could still be asked about a clip."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.models import Account, Assignment, Qualification, Role


def anybody_left(session: Session, project_id: int, clip_id: int, besides: int | None = None) -> bool:
    """Whether an annotator has never had this clip: none who answered it, passed it on, or holds it now.

    Annotators are the accounts of that role whose token is good, without those who failed the project's qualification;
    operators may annotate too, but nobody waits for them.
    """
    had = exists().where(Assignment.clip_id == clip_id, Assignment.account_id == Account.id)
    barred = exists().where(
        Qualification.project_id == project_id,
        Qualification.account_id == Account.id,
        Qualification.state == "failed",
    )
    free = exists().where(Account.role == Role.ANNOTATOR, Account.revoked_at.is_(None), ~had, ~barred)
    if besides is not None:
        free = free.where(Account.id != besides)
    return session.execute(select(free)).scalar_one()
