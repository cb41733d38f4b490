"""Errors that carry their HTTP status, rendered once, as RFC 9457 problem details."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from app.db import lost_a_deadlock

log = logging.getLogger(__name__)


class AppError(Exception):
    """Something the caller can mend: a name, a sentence that says what to do, a status."""

    status = 400
    name = "bad_request"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class NotFoundError(AppError):
    """The id names nothing."""

    status, name = 404, "not_found"


class ConflictError(AppError):
    """The thing is in another state than the request assumes."""

    status, name = 409, "conflict"


class UnauthorizedError(AppError):
    """No token, or one nobody holds."""

    status, name = 401, "unauthorized"


class ForbiddenError(AppError):
    """The token's role does not allow this."""

    status, name = 403, "forbidden"


class InvalidError(AppError):
    """Well-formed, but it cannot work."""

    status, name = 422, "invalid"


class TooLargeError(AppError):
    """The body is over the limit."""

    status, name = 413, "too_large"


class Problem(BaseModel):
    """An RFC 9457 problem."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


PROBLEM_JSON = "application/problem+json"
_WHEN = {
    400: ("bad_request", "The request cannot be understood."),
    401: ("unauthorized", "No token, or one nobody holds."),
    403: ("forbidden", "The token's role does not allow this."),
    404: ("not_found", "The id names nothing."),
    409: ("conflict", "The thing is in another state than the request assumes; the detail says what to do."),
    413: ("too_large", "The body is over the limit."),
    416: ("range_not_satisfiable", "The range lies outside the audio."),
    422: ("malformed", "A field is malformed, or cannot work; the detail names it."),
    502: ("label_studio", "Label Studio does not answer, or refuses; the detail says what it said."),
    503: ("not_ready", "Not ready; the detail says what is missing."),
    507: ("storage_failed", "The disk is full, or cannot be written."),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares as `responses`: the errors it answers with, as problem details, for OpenAPI."""
    return {status: _declared(status) for status in statuses}


def _declared(status: int) -> dict[str, Any]:
    name, sentence = _WHEN[status]
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _body(status, name, sentence)}
    return {"description": sentence, "content": {PROBLEM_JSON: content}}


def _body(status: int, name: str, detail: str) -> dict[str, Any]:
    return {"type": f"urn:afterloop:{name}", "title": name.replace("_", " "), "status": status, "detail": detail}


def problem(status: int, name: str, detail: str, **extra: Any) -> JSONResponse:
    """Render one problem as application/problem+json."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = _body(status, name, detail) | extra
    return JSONResponse(jsonable_encoder(body), status_code=status, headers=headers, media_type=PROBLEM_JSON)


def install_error_handlers(api: FastAPI) -> None:
    """Translate every error once, here; a client never sees a stack trace."""

    @api.exception_handler(AppError)
    def _app_error(_: Request, error: AppError) -> JSONResponse:
        return problem(error.status, error.name, error.detail, **error.extra)

    @api.exception_handler(RequestValidationError)
    def _malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            {"field": ".".join(map(str, e["loc"])), "problem": e["msg"].removeprefix("Value error, ")}
            for e in error.errors()
        ]
        detail = "; ".join(f"{f['field']}: {f['problem']}" for f in fields)
        return problem(422, "malformed", detail, fields=fields)

    @api.exception_handler(HTTPException)
    def _http(__: Request, error: HTTPException) -> JSONResponse:
        name, _ = _WHEN.get(error.status_code) or (HTTPStatus(error.status_code).name.lower(), "")
        response = problem(error.status_code, name, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @api.exception_handler(DataError)
    def _unstorable(_: Request, error: DataError) -> JSONResponse:
        return problem(422, "unstorable", "a value cannot be stored (too long, out of range, or a NUL character)")

    @api.exception_handler(IntegrityError)
    def _raced(request: Request, error: DBAPIError) -> JSONResponse:
        log.warning("%s %s: %s", request.method, request.url.path, error.orig)
        return problem(409, "conflict", "another request changed the same thing meanwhile: read it again, then retry")

    @api.exception_handler(OperationalError)
    def _database_away(request: Request, error: OperationalError) -> JSONResponse:
        if lost_a_deadlock(error):
            return _raced(request, error)
        log.error("%s %s: the database failed", request.method, request.url.path, exc_info=error)
        return problem(503, "database_unavailable", "the database does not answer: try again in a moment")

    @api.exception_handler(Exception)
    def _unexpected(request: Request, _: Exception) -> JSONResponse:
        return problem(500, "internal_error", f"{request.method} {request.url.path} failed; the server's log says why")
