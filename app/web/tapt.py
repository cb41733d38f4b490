"""The page of a project's TAPT: what is asked for, how a run goes, and whether its encoder may be used."""

import json
from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from fastapi import APIRouter, Request, Response

from app.dependencies import DbDep, RowId, Viewer
from app.models import Role
from app.projects import service as projects
from app.web import assets
from app.web.pages import PageRoute, render
from tapt.recipe import Objective, Scope, TaptRecipe

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

AMOUNT = ("steps", "learning_rate", "seconds_per_step", "seed")  # of the recipe's own fields, what a form asks for


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form: its path in the recipe, its default, and what may be chosen where that is fixed."""

    path: str
    default: str
    choices: tuple[str, ...]
    is_number: bool

    @property
    def name(self) -> str:
        """As a person reads it."""
        return self.path.rsplit(".", 1)[-1].replace("_", " ")


@dataclass(frozen=True, slots=True)
class FormGroup:
    """A member of a union of the recipe and its own fields."""

    kind: str
    about: str
    fields: tuple[FormField, ...]


@router.get("/projects/{project_id}/tapt")
def tapt_page(request: Request, project_id: RowId, db: DbDep, caller: Viewer) -> Response:
    """How adaptation goes, live, and what the probe says of it; the page asks the API for all of it."""
    with db.read() as session:
        project = projects.get_project(session, project_id)
    scripts = {"project": project.id, "operator": caller.may(Role.OPERATOR)}
    return render(
        request,
        "tapt.html",
        styled_by_script=True,
        caller=caller,
        project=project,
        config=json.dumps(scripts),
        operate=caller.may(Role.OPERATOR),
        amount=tuple(one for one in _fields(TaptRecipe, "") if one.path in AMOUNT),
        objectives=_groups(Objective, "objective"),
        scopes=_groups(Scope, "scope"),
        modules=assets.modules_of("tapt.js"),
    )


def _groups(union: Any, name: str) -> tuple[FormGroup, ...]:
    members = get_args(union)
    about = {one: one.__doc__.splitlines()[0].replace("`", "") for one in members}
    return tuple(FormGroup(one().kind, about[one], _fields(one, f"{name}.")) for one in members)


def _fields(described: Any, prefix: str) -> tuple[FormField, ...]:
    """The plain fields of a dataclass whose every field has a default."""
    hints, made = get_type_hints(described), described()
    found = []
    for one in fields(described):
        value = getattr(made, one.name)
        if one.name == "kind" or not isinstance(value, int | float | str | tuple | None):
            continue
        choices = get_args(hints[one.name]) if isinstance(value, str) else ("false", "true") if value is False else ()
        told = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value).lower()
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        found.append(FormField(prefix + one.name, told, choices, is_number))
    return tuple(found)
