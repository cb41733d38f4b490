"""Gold clips: operators choose them, and decide who is tested."""

from fastapi import APIRouter

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId
from app.errors import problems
from app.gold import service
from app.gold.schemas import GoldIn, GoldOut, GoldsOut, StandingIn, StandingOut
from app.models import Qualification
from app.paging import After, Limit, Page

router = APIRouter(tags=["gold"], responses=problems(401, 403, 404, 422))


@router.post("/projects/{project_id}/gold", status_code=201, summary="Make clips gold")
def keep_gold(project_id: RowId, body: GoldIn, db: DbDep, caller: Operator) -> GoldsOut:
    """Clips whose answer is known, hidden among the others at the project's `gold_rate`, or asked as a test first.

    A clip that is gold already is changed. No strategy picks a gold clip, and no annotator gets one twice.
    """
    with db.write() as session:
        kept = service.keep_gold(session, project_id, body.use, body.clips, now=utcnow())
        return GoldsOut(items=[GoldOut.model_validate(one) for one in kept])


@router.get("/projects/{project_id}/gold", summary="List gold clips")
def list_gold(project_id: RowId, db: DbDep, caller: Operator, after: After = 0, limit: Limit = 100) -> Page[GoldOut]:
    """Gold clips and the qualification set, in order of id."""
    with db.read() as session:
        found = service.list_gold(session, project_id, after, limit + 1)
        return Page.cut([GoldOut.model_validate(one) for one in found], limit)


@router.delete("/projects/{project_id}/gold/{clip_id}", status_code=204, summary="Make a clip an ordinary one")
def drop_gold(project_id: RowId, clip_id: RowId, db: DbDep, caller: Operator) -> None:
    """Give it as gold no more. Answers it had stay, and stay no labels."""
    with db.write() as session:
        service.drop_gold(session, project_id, clip_id)


@router.put("/projects/{project_id}/annotators/{account_id}/qualification", summary="Waive or repeat the test")
def set_standing(project_id: RowId, account_id: RowId, body: StandingIn, db: DbDep, caller: Operator) -> StandingOut:
    """Let an annotator at real clips without the qualification, or have him take it again."""
    with db.write() as session:
        service.set_standing(session, project_id, account_id, body.state == "waived", now=utcnow())
        found = session.get(Qualification, (project_id, account_id))
        if found is None:
            return StandingOut(account_id=account_id, state="open", asked=0, correct=0)
        return StandingOut.model_validate(found, from_attributes=True)
