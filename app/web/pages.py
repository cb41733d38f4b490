"""Rendering: the templates, the headers every page carries, and errors as pages instead of problem details."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates

from app.errors import AppError, UnauthorizedError
from app.web import assets

_templates = Jinja2Templates(Path(__file__).parent / "templates")
_templates.env.globals["asset"] = assets.url
_templates.env.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:].rstrip('.')}."
_templates.env.trim_blocks = _templates.env.lstrip_blocks = True

_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_TITLES = {403: "Not with this token", 404: "Nothing here"}


def render(
    request: Request, template: str, *, status: int = 200, styled_by_script: bool = False, **context: Any
) -> Response:
    """A page. Scripts only ever come from files of this origin.

    Args:
        styled_by_script: allow inline styles, which Plotly and Swagger UI write.
    """
    policy = _POLICY.format(styles=" 'unsafe-inline'" if styled_by_script else "")
    headers = _HEADERS | {"Content-Security-Policy": policy}
    return _templates.TemplateResponse(request, template, context, status_code=status, headers=headers)


def local_path(path: str | None) -> str:
    """Where to go after signing in: a path of this origin, or the start page for anything else."""
    usable = path is not None and path.startswith("/") and not path.startswith("//")
    return path if path is not None and usable and "\\" not in path and path.isprintable() else "/"


class PageRoute(APIRoute):
    """A route whose errors are pages: without a token one is asked to sign in, anything else is told in a sentence."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with errors rendered."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except UnauthorizedError:
                return RedirectResponse(f"/login?next={quote(_asked_for(request))}", status_code=303, headers=_HEADERS)
            except RequestValidationError:
                return _error_page(request, 404, "The address names nothing: an id is a whole number.")
            except AppError as error:
                return _error_page(request, error.status, error.detail)

        return handle_page


def _asked_for(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _error_page(request: Request, status: int, detail: str) -> Response:
    title = _TITLES.get(status, "That did not work")
    return render(request, "error.html", status=status, title=title, detail=detail, other_token=status == 403)
