"""Projects: operators make and change them, everybody with a token may read them."""

from typing import Any

from fastapi import APIRouter

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, Viewer
from app.errors import problems
from app.paging import After, Limit, Page
from app.projects import service
from app.projects.schemas import ProjectCreate, ProjectOut, ProjectPatch
from app.specs import as_json

router = APIRouter(tags=["projects"], responses=problems(401, 403, 422))


@router.post("/projects", status_code=201, summary="Make a project", responses=problems(409))
def create_project(body: ProjectCreate, db: DbDep, caller: Operator) -> ProjectOut:
    """Make a project: its scheme, its encoder, and the defaults of its rounds."""
    given = {name: getattr(body, name) for name in type(body).model_fields if name not in ("classes", "dimensions")}
    with db.write() as session:
        project = service.create_project(session, **given, scheme=body.scheme, now=utcnow())
        return ProjectOut.model_validate(project)


@router.get("/projects", summary="List projects")
def list_projects(db: DbDep, caller: Viewer, after: After = 0, limit: Limit = 100) -> Page[ProjectOut]:
    """Projects in order of id."""
    with db.read() as session:
        projects = service.list_projects(session, after, limit + 1)
        return Page.cut([ProjectOut.model_validate(project) for project in projects], limit)


@router.get("/projects/{project_id}", summary="Read a project", responses=problems(404))
def get_project(project_id: RowId, db: DbDep, caller: Viewer) -> ProjectOut:
    """One project."""
    with db.read() as session:
        return ProjectOut.model_validate(service.get_project(session, project_id))


@router.patch("/projects/{project_id}", summary="Change a project", responses=problems(404, 409))
def change_project(project_id: RowId, body: ProjectPatch, db: DbDep, caller: Operator) -> ProjectOut:
    """Change what may change. Open rounds keep what they copied when they opened."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    for name in ("recipe", "strategy"):
        if name in changes:
            changes[name] = as_json(changes[name])
    with db.write() as session:
        return ProjectOut.model_validate(service.change_project(session, project_id, changes))
