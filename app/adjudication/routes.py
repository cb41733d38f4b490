"""Adjudication: operators read disputes, rule on them, or send them back."""

from fastapi import APIRouter

from app.adjudication import disputes, service
from app.adjudication.schemas import AnsweredOut, DecisionOut, RulingIn, SendBackIn, SentBackOut
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId
from app.errors import problems
from app.paging import After, Limit, Page
from app.projects.service import get_project

router = APIRouter(tags=["adjudication"], responses=problems(401, 403, 404, 422))


@router.get("/projects/{project_id}/disputes", summary="List disputes")
def list_disputes(
    project_id: RowId, db: DbDep, caller: Operator, after: After = 0, limit: Limit = 20
) -> Page[AnsweredOut]:
    """Clips that nobody is being asked about and whose answers do not settle, with everybody's answers side by side.

    `why`: a tie; mostly unclear; not sure at the end of an adaptive round; dimensions far apart; skipped by everybody;
    doubtful, where routing says that a ruling pays: most listeners may hear another class than the label.
    """
    with db.read() as session:
        get_project(session, project_id)
        return Page.cut(disputes.disputes(session, project_id, after, limit + 1), limit)


@router.get("/projects/{project_id}/clips/{clip_id}/answers", summary="Read everybody's answers to a clip")
def get_answers(project_id: RowId, clip_id: RowId, db: DbDep, caller: Operator) -> AnsweredOut:
    """The answers that count, as they were given, and every decision about the clip."""
    with db.read() as session:
        return disputes.answered(session, project_id, clip_id)


@router.post("/projects/{project_id}/clips/{clip_id}/ruling", status_code=201, summary="Rule on a clip")
def rule(project_id: RowId, clip_id: RowId, body: RulingIn, db: DbDep, caller: Operator) -> DecisionOut:
    """Decide what a clip is, with a reason. The answers stay as they are; the newest ruling is the clip's label."""
    with db.write() as session:
        return service.rule(session, project_id, clip_id, body, caller.id, now=utcnow())


@router.post(
    "/projects/{project_id}/clips/{clip_id}/send-back",
    status_code=201,
    summary="Send a clip back to annotators",
    responses=problems(409),
)
def send_back(project_id: RowId, clip_id: RowId, body: SendBackIn, db: DbDep, caller: Operator) -> SentBackOut:
    """Ask others for more answers, or those who answered once more. They do not see what was said."""
    with db.write() as session:
        return service.send_back(session, project_id, clip_id, body, caller.id, now=utcnow())
