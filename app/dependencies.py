"""What a route may ask for: the database, the storage, the settings, and a caller with a role.

These are `async` because they only look things up in memory: a plain `def` would cost each of them a thread.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from app.accounts.tokens import Caller, TokenCache
from app.db import Database
from app.errors import ForbiddenError, UnauthorizedError
from app.models import Role
from app.settings import Settings
from app.storage import Storage
from app.writer import Writer

TOKEN_COOKIE = "afterloop_token"
_bearer = HTTPBearer(auto_error=False, description="The token shown when the account was made.")
_cookie = APIKeyCookie(name=TOKEN_COOKIE, auto_error=False, description="The same token, for the pages.")


async def get_database(request: Request) -> Database:
    """The process's database."""
    database: Database = request.app.state.db
    return database


async def get_storage(request: Request) -> Storage:
    """The process's blobs."""
    storage: Storage = request.app.state.storage
    return storage


async def get_app_settings(request: Request) -> Settings:
    """The settings the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


async def get_tokens(request: Request) -> TokenCache:
    """The process's memory of tokens."""
    tokens: TokenCache = request.app.state.tokens
    return tokens


async def get_writer(request: Request) -> Writer:
    """The process's writer."""
    writer: Writer = request.app.state.writer
    return writer


RowId = Annotated[int, Path(ge=1, le=2_147_483_647, description="The row's id.")]
DbDep = Annotated[Database, Depends(get_database)]
StorageDep = Annotated[Storage, Depends(get_storage)]
SettingsDep = Annotated[Settings, Depends(get_app_settings)]
TokensDep = Annotated[TokenCache, Depends(get_tokens)]
WriterDep = Annotated[Writer, Depends(get_writer)]


async def get_caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    cookie: Annotated[str | None, Security(_cookie)],
) -> Caller:
    """The account behind the request's token; UnauthorizedError without one."""
    return await _holder(request, bearer.credentials if bearer is not None else cookie)


async def _holder(request: Request, token: str | None) -> Caller:
    if not token:
        raise UnauthorizedError("send a token: `Authorization: Bearer <token>`")
    tokens = await get_tokens(request)
    caller = tokens.remembered(token) or await run_in_threadpool(tokens.look_up, token)
    if caller is None:
        raise UnauthorizedError("nobody holds this token, or it was revoked: ask an admin for another")
    return caller


async def signed_in(request: Request, role: Role) -> Caller:
    """The same, read from the request directly; ForbiddenError when the role is below `role`."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    bearer = credentials if scheme.lower() == "bearer" else ""
    return _allowed(await _holder(request, bearer or request.cookies.get(TOKEN_COOKIE)), role)


def _allowed(caller: Caller, role: Role) -> Caller:
    if not caller.may(role):
        raise ForbiddenError(f"this needs the role {role} or above; {caller.name} is {caller.role}")
    return caller


def require(role: Role) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency that returns the caller, and raises ForbiddenError when its role is below `role`."""

    async def caller_with_role(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
        return _allowed(caller, role)

    return caller_with_role


Viewer = Annotated[Caller, Depends(require(Role.VIEWER))]
Annotator = Annotated[Caller, Depends(require(Role.ANNOTATOR))]
Operator = Annotated[Caller, Depends(require(Role.OPERATOR))]
Admin = Annotated[Caller, Depends(require(Role.ADMIN))]
