"""Projects: operators make and change them, everybody with a token may read them."""

from typing import Any

from fastapi import APIRouter

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep, Viewer
from app.errors import problems
from app.paging import After, Limit, Page
from app.projects import service
from app.projects.checks import check_precision
from app.projects.schemas import ProjectCreate, ProjectOut, ProjectPatch
from app.specs import as_json

router = APIRouter(tags=["projects"], responses=problems(401, 403, 422))


@router.post("/projects", status_code=201, summary="Make a project", responses=problems(409))
def create_project(body: ProjectCreate, db: DbDep, settings: SettingsDep, caller: Operator) -> ProjectOut:
    """Make a project: its scheme, its encoder, and the defaults of its rounds.

    What cannot work is refused by name: a recipe with more layers than the encoder has or linears it has not, a
    strategy that reads class probabilities where there are no classes, fp16 where no worker has a GPU.
    """
    if body.recipe is not None:
        check_precision(body.recipe, settings)
    given = {name: getattr(body, name) for name in type(body).model_fields if name not in ("classes", "dimensions")}
    given["fairness"] = body.fairness and body.fairness.model_dump()
    given["annotating"] = body.annotating.model_dump(mode="json", exclude_unset=True)
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
def change_project(
    project_id: RowId, body: ProjectPatch, db: DbDep, settings: SettingsDep, caller: Operator
) -> ProjectOut:
    """Change what may change. Open rounds keep what they copied when they opened."""
    if body.recipe is not None:
        check_precision(body.recipe, settings)
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    for name in ("recipe", "strategy"):
        if name in changes:
            changes[name] = as_json(changes[name])
    if body.fairness is not None:
        changes["fairness"] = body.fairness.model_dump()
    if body.annotating is not None:
        changes["annotating"] = body.annotating.model_dump(mode="json", exclude_unset=True)
    with db.write() as session:
        return ProjectOut.model_validate(service.change_project(session, project_id, changes))
