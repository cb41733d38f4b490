"""Scheme versions: operators change a scheme, everybody with a token may read its history."""

from fastapi import APIRouter

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, Viewer
from app.errors import problems
from app.projects.service import get_project
from app.schemes import service
from app.schemes.schemas import ChangedOut, SchemeIn, VersionsOut

router = APIRouter(tags=["schemes"], responses=problems(401, 403, 404, 422))


@router.get("/projects/{project_id}/schemes", summary="List a scheme's versions")
def list_schemes(project_id: RowId, db: DbDep, caller: Viewer) -> VersionsOut:
    """Every version and how its classes map onto the next. Each annotation names the version it was given under."""
    with db.read() as session:
        return VersionsOut(items=service.versions(session, get_project(session, project_id)))


@router.post("/projects/{project_id}/schemes", status_code=201, summary="Change the scheme", responses=problems(409))
def change_scheme(project_id: RowId, body: SchemeIn, db: DbDep, caller: Operator) -> ChangedOut:
    """Rename, merge, split, add or drop classes, or change dimensions.

    Answers are kept as they were given and read through the mapping; labels follow at once. Clips answered with a class
    that was split have no label until they are answered again. Pages that still show the former scheme go on working.
    """
    with db.write() as session:
        return service.change_scheme(session, project_id, body, caller.id, now=utcnow())
