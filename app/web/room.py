"""The annotators' room: the page that labels, one's own history, the reviewer's disputes, and the agreement figures."""

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from app.accounts.tokens import Caller
from app.dependencies import Annotator, DbDep, Operator, RowId
from app.models import Project, Role
from app.projects import service as projects
from app.web import assets
from app.web.answering import UNCLEAR_KEY, Answering, answering
from app.web.pages import PageRoute, render

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)


@router.get("/projects/{project_id}/annotate")
def annotate_page(request: Request, project_id: RowId, db: DbDep, caller: Annotator) -> Response:
    """Listen and answer, without the mouse."""
    with db.read() as session:
        project = projects.get_project(session, project_id)
        asked = answering(session, project)
    guide = bool(project.instructions or asked.examples)
    return _room(request, "annotate", caller, project, asked, guide=guide, leaseS=project.lease_s)


@router.get("/projects/{project_id}/history")
def history_page(request: Request, project_id: RowId, db: DbDep, caller: Annotator) -> Response:
    """One's own answers, the newest first, to be heard again and revised."""
    with db.read() as session:
        project = projects.get_project(session, project_id)
        asked = answering(session, project)
    return _room(request, "history", caller, project, asked)


@router.get("/projects/{project_id}/disputes")
def disputes_page(request: Request, project_id: RowId, db: DbDep, caller: Operator) -> Response:
    """Everybody's answers to a disputed clip side by side, and the ruling."""
    with db.read() as session:
        project = projects.get_project(session, project_id)
        asked = answering(session, project)
    return _room(request, "disputes", caller, project, asked)


@router.get("/projects/{project_id}/agreement")
def agreement_page(request: Request, project_id: RowId, db: DbDep, caller: Operator) -> Response:
    """How far annotators agree, with whom, and on what."""
    with db.read() as session:
        project = projects.get_project(session, project_id)
        asked = answering(session, project)
    return _room(request, "agreement", caller, project, asked)


def _room(
    request: Request, page: str, caller: Caller, project: Project, asked: Answering, guide: bool = False, **scripts: Any
) -> Response:
    """A page of the room: its template, its script with every module of it, and what the script reads."""
    scripts |= {"project": project.id, "account": caller.id, "scheme": asked.scheme}
    return render(
        request,
        f"{page}.html",
        caller=caller,
        project=project,
        config=json.dumps(scripts),
        answering=asked,
        quick=not (asked.scheme["several"] or asked.scheme["dimensions"]),
        guide=guide,
        unclear_key=UNCLEAR_KEY,
        may={"annotate": caller.may(Role.ANNOTATOR), "operate": caller.may(Role.OPERATOR)},
        modules=assets.modules_of(f"{page}.js"),
    )
