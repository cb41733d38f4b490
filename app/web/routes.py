"""Pages: sign in, projects, a project's dashboard; the annotators' are in `room.py`. They render; the API computes."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, RedirectResponse

from app.accounts.tokens import Caller, TokenCache
from app.annotations.progress import progress
from app.checkpoints import service as checkpoints
from app.dependencies import TOKEN_COOKIE, DbDep, RowId, TokensDep, Viewer
from app.errors import ForbiddenError, NotFoundError
from app.models import Role
from app.projects import service as projects
from app.web import assets, room, tapt
from app.web.pages import PageRoute, local_path, render

YEAR_S = 365 * 24 * 3600


def _refuse_other_sites(request: Request) -> None:
    """Another site's form must not sign a browser in or out: browsers say where a request comes from."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("this form was sent by another site: open Afterloop and use its own")


router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
OwnForm = Depends(_refuse_other_sites)


@router.get("/login")
async def login_page(request: Request, tokens: TokensDep, next: str = "/") -> Response:
    """Ask for a token, or go on when the browser already has a good one."""
    token = request.cookies.get(TOKEN_COOKIE)
    if token and await _caller_of(tokens, token):
        return RedirectResponse(local_path(next), status_code=303)
    return render(request, "login.html", next=local_path(next))


@router.post("/login", dependencies=[OwnForm])
async def sign_in(
    request: Request, tokens: TokensDep, token: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/"
) -> Response:
    """Keep the token in a cookie no script can read and no other site can send."""
    if not await _caller_of(tokens, token.strip()):
        problem = "Nobody holds this token, or it was revoked. Check that all of it was pasted."
        return render(request, "login.html", status=401, next=local_path(next), problem=problem)
    response = RedirectResponse(local_path(next), status_code=303)
    secure = request.url.scheme == "https"
    response.set_cookie(TOKEN_COOKIE, token.strip(), max_age=YEAR_S, httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/logout", dependencies=[OwnForm])
async def sign_out() -> Response:
    """Forget the token in this browser; it stays valid elsewhere."""
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(TOKEN_COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/")
def projects_page(request: Request, db: DbDep, caller: Viewer) -> Response:
    """Every project and how far it is."""
    with db.read() as session:
        rows = [(project, progress(session, project.id)) for project in projects.list_projects(session)]
    return render(request, "projects.html", caller=caller, rows=rows, may=_rights(caller))


@router.get("/projects/{project_id}")
def dashboard_page(request: Request, project_id: RowId, db: DbDep, caller: Viewer) -> Response:
    """What the labels bought, and what is going on; the page asks the API for the figures and keeps them fresh."""
    with db.read() as session:
        project = projects.get_project(session, project_id)
    scripts = {"project": project.id, "name": project.name, "operator": caller.may(Role.OPERATOR)}
    config = json.dumps(scripts | {"scheme": project.scheme})
    return render(
        request,
        "dashboard.html",
        styled_by_script=True,
        caller=caller,
        project=project,
        config=config,
        may=_rights(caller),
    )


@router.get("/checkpoints/{checkpoint_id}")
def checkpoint_page(request: Request, checkpoint_id: RowId, db: DbDep, caller: Viewer) -> Response:
    """How a checkpoint was trained and how good it is: figures, groups, noise, and what a second stage changed."""
    with db.read() as session:
        checkpoint = checkpoints.get_checkpoint(session, checkpoint_id)
        project = projects.get_project(session, checkpoint.project_id)
    scripts = {"checkpoint": checkpoint.id, "project": project.id, "operator": caller.may(Role.OPERATOR)}
    return render(
        request,
        "checkpoint.html",
        styled_by_script=True,
        caller=caller,
        project=project,
        checkpoint=checkpoint,
        config=json.dumps(scripts),
        may=_rights(caller),
    )


@router.get("/docs")
def docs_page(request: Request) -> Response:
    """The API's operations to read and to try, without a token: so is the description they are drawn from."""
    return render(request, "docs.html", styled_by_script=True)


router.include_router(room.router)
router.include_router(tapt.router)


@router.get("/static/{version}/{name}")
def asset(version: str, name: str) -> Response:
    """A script or a style sheet. An address holds the version, so a browser never needs to ask for it again."""
    path = assets.files().get(name)
    if path is None:
        raise NotFoundError(f"there is no asset {name}")
    current = assets.url(name) == f"/static/{version}/{name}"
    keep = f"public, max-age={YEAR_S}, immutable" if current else "no-cache"
    return FileResponse(path, headers={"Cache-Control": keep, "X-Content-Type-Options": "nosniff"})


async def _caller_of(tokens: TokenCache, token: str) -> Caller | None:
    return tokens.remembered(token) or await run_in_threadpool(tokens.look_up, token)


def _rights(caller: Caller) -> dict[str, bool]:
    return {"annotate": caller.may(Role.ANNOTATOR), "operate": caller.may(Role.OPERATOR)}
