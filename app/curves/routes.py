"""The learning curve, for everybody with a token."""

from fastapi import APIRouter

from app.curves import service
from app.curves.schemas import CurveOut
from app.dependencies import DbDep, RowId, Viewer
from app.errors import problems

router = APIRouter(tags=["curves"], responses=problems(401, 403, 404, 422))


@router.get("/projects/{project_id}/curve", summary="What the labels bought")
def get_curve(project_id: RowId, db: DbDep, caller: Viewer) -> CurveOut:
    """Quality against labels, round by round, the strategy beside its random control."""
    with db.read() as session:
        return service.curve(session, project_id)
