"""Errors that carry their HTTP status, rendered once, as RFC 9457 problem details."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException


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


def problem(status: int, name: str, detail: str, **extra: Any) -> JSONResponse:
    """Render one problem as application/problem+json."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = {"type": f"urn:afterloop:{name}", "title": name.replace("_", " "), "status": status, "detail": detail}
    return JSONResponse(
        jsonable_encoder(body | extra), status_code=status, headers=headers, media_type="application/problem+json"
    )


def install_error_handlers(api: FastAPI) -> None:
    """Translate every error once, here; a client never sees a stack trace."""

    @api.exception_handler(AppError)
    def _app_error(_: Request, error: AppError) -> JSONResponse:
        return problem(error.status, error.name, error.detail, **error.extra)

    @api.exception_handler(RequestValidationError)
    def _malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = [{"field": ".".join(map(str, e["loc"])), "problem": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{f['field']}: {f['problem']}" for f in fields)
        return problem(422, "malformed", detail, fields=fields)

    @api.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, "http_error", str(error.detail))

    @api.exception_handler(Exception)
    def _unexpected(request: Request, _: Exception) -> JSONResponse:
        return problem(500, "internal_error", f"{request.method} {request.url.path} failed; the server's log says why")
