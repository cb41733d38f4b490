"""What can be done with projects. The functions flush and never commit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import CoverageThenMargin, Strategy
from app.errors import ConflictError, NotFoundError
from app.models import Project
from app.specs import as_json


def create_project(
    session: Session,
    *,
    name: str,
    scheme: Scheme,
    encoder: str,
    now: datetime,
    instructions: str = "",
    recipe: Recipe | None = None,
    strategy: Strategy | None = None,
    batch_size: int = 50,
    overlap: int = 1,
    lease_s: float = 300.0,
    control_share: float = 0.0,
    budget: int | None = None,
    seed: int = 0,
) -> Project:
    """A new project; ConflictError when the name is taken."""
    _refuse_taken(session, name)
    project = Project(
        name=name,
        scheme=as_json(scheme),
        instructions=instructions,
        encoder=encoder,
        recipe=as_json(recipe or Recipe()),
        strategy=as_json(strategy or CoverageThenMargin()),
        batch_size=batch_size,
        overlap=overlap,
        lease_s=lease_s,
        control_share=control_share,
        budget=budget,
        seed=seed,
        created_at=now,
    )
    session.add(project)
    session.flush()
    return project


def get_project(session: Session, project_id: int) -> Project:
    """The project; NotFoundError when there is none."""
    project = session.get(Project, project_id)
    if project is None:
        raise NotFoundError(f"there is no project {project_id}")
    return project


def find_project(session: Session, name: str) -> Project:
    """The project of this name; NotFoundError when there is none."""
    project = session.scalar(select(Project).where(Project.name == name))
    if project is None:
        raise NotFoundError(f"there is no project named {name!r}")
    return project


def list_projects(session: Session, after: int = 0, limit: int = 1000) -> list[Project]:
    """Projects in order of id."""
    return list(session.scalars(select(Project).where(Project.id > after).order_by(Project.id).limit(limit)))


def change_project(session: Session, project_id: int, changes: Mapping[str, Any]) -> Project:
    """Set the given columns; open rounds keep what they copied when they opened.

    Raises:
        NotFoundError: there is no such project.
        ConflictError: the new name is taken.
    """
    project = get_project(session, project_id)
    if "name" in changes and changes["name"] != project.name:
        _refuse_taken(session, changes["name"])
    for column, value in changes.items():
        setattr(project, column, value)
    session.flush()
    return project


def _refuse_taken(session: Session, name: str) -> None:
    if session.scalar(select(Project.id).where(Project.name == name)) is not None:
        raise ConflictError(f"a project named {name!r} exists: choose another name")
