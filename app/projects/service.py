"""What can be done with projects. The functions flush and never commit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.recipe import Recipe, standard_recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import CoverageThenMargin, Strategy
from app.annotations.examples import check_examples
from app.errors import ConflictError, NotFoundError
from app.models import Project
from app.projects.checks import check_fairness, check_recipe, check_scheme, check_strategy
from app.specs import as_json, read_recipe, read_scheme, read_strategy


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
    fairness: Mapping[str, Any] | None = None,
    annotating: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Project:
    """A new project.

    Raises:
        ConflictError: the name is taken.
        SchemeError: a scheme that cannot be annotated.
        InvalidError: a recipe, strategy or fairness setting that cannot work with this scheme and encoder.
    """
    _refuse_taken(session, name)
    recipe, strategy = recipe or standard_recipe(classes=bool(scheme.classes)), strategy or CoverageThenMargin()
    check_scheme(scheme)
    check_fairness(fairness, scheme)
    check_strategy(strategy, scheme)
    check_recipe(session, recipe, scheme, encoder)
    project = Project(
        name=name,
        scheme=as_json(scheme),
        instructions=instructions,
        encoder=encoder,
        recipe=as_json(recipe),
        strategy=as_json(strategy),
        batch_size=batch_size,
        overlap=overlap,
        lease_s=lease_s,
        control_share=control_share,
        budget=budget,
        fairness=None if fairness is None else dict(fairness),
        annotating=dict(annotating or {}),
        seed=seed,
        created_at=now,
    )
    session.add(project)
    session.flush()
    check_examples(session, project.id, scheme, project.annotating)
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
        InvalidError: a recipe, strategy or fairness setting that cannot work with its scheme and encoder.
    """
    project = get_project(session, project_id)
    _check_changes(session, project, changes)
    if "name" in changes and changes["name"] != project.name:
        _refuse_taken(session, changes["name"])
    for column, value in changes.items():
        setattr(project, column, project.annotating | value if column == "annotating" else value)
    if "annotating" in changes:
        check_examples(session, project_id, read_scheme(project.scheme), project.annotating)
    session.flush()
    return project


def check_run(session: Session, project: Project, recipe: Recipe | None, strategy: Strategy | None) -> None:
    """Refuse what a round of this project wants differently and cannot have; InvalidError names it."""
    scheme = read_scheme(project.scheme)
    if recipe is not None:
        check_recipe(session, recipe, scheme, project.encoder, project.encoder_checkpoint_id)
    if strategy is not None:
        check_strategy(strategy, scheme)


def _check_changes(session: Session, project: Project, changes: Mapping[str, Any]) -> None:
    recipe = read_recipe(changes["recipe"]) if "recipe" in changes else None
    strategy = read_strategy(changes["strategy"]) if "strategy" in changes else None
    check_run(session, project, recipe, strategy)
    if "fairness" in changes:
        check_fairness(changes["fairness"], read_scheme(project.scheme))


def _refuse_taken(session: Session, name: str) -> None:
    if session.scalar(select(Project.id).where(Project.name == name)) is not None:
        raise ConflictError(f"a project named {name!r} exists: choose another name")
