"""Routes that a whole room asks in a hurry bind their arguments directly.

FastAPI solves a request's dependencies by a general walk over their graph, which costs more processor time than what
an annotator's claim or answer does. `QuickRoute` binds the few kinds of arguments such routes have: ids in the path, a
header, a JSON body, the writer, the caller. What a route declares, its OpenAPI and every refusal stay the same.
"""

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, get_args, get_type_hints

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Header
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.dependencies import Annotator, WriterDep, get_writer, signed_in
from app.models import Role

Bind = Callable[[Request], Awaitable[Any]]
_JSON = re.compile(r"application/(json|.+\+json)")
_NO_BODY = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}


class _NoJsonError(RequestValidationError):
    """The body cannot be read at all: nothing else is told, as FastAPI does."""


class QuickRoute(APIRoute):
    """A route whose endpoint, where it is `async`, returns a Response and takes arguments of the kinds above alone."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler: who asks, then what is asked, then the endpoint. A plain `def` is FastAPI's."""
        endpoint = self.endpoint
        if not inspect.iscoroutinefunction(endpoint):
            return super().get_route_handler()
        hints = get_type_hints(endpoint, include_extras=True)
        binds = [(name, _binds(name, hints[name], of)) for name, of in inspect.signature(endpoint).parameters.items()]
        binds.sort(key=lambda bind: bind[1][0])

        async def handle(request: Request) -> Response:
            values: dict[str, Any] = {}
            wrong: list[Any] = []
            for name, (_, bind) in binds:
                try:
                    values[name] = await bind(request)
                except _NoJsonError:
                    raise
                except RequestValidationError as error:
                    wrong += error.errors()
            if wrong:
                raise RequestValidationError(wrong)
            response: Response = await endpoint(**values)
            return response

        return handle


def _binds(name: str, hint: Any, parameter: inspect.Parameter) -> tuple[int, Bind]:
    """How an argument is read, and when: the caller before everything else, so that strangers learn nothing."""
    if hint == Annotator:
        return 0, lambda request: signed_in(request, Role.ANNOTATOR)
    if hint == WriterDep:
        return 1, get_writer
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return 4, _body(hint)
    header = next((part for part in get_args(hint) if isinstance(part, Header)), None)
    if header is not None:
        return 3, _header(str(header.alias), TypeAdapter(hint), parameter)
    return 2, _path(name, TypeAdapter(hint))


def _path(name: str, kind: TypeAdapter[Any]) -> Bind:
    async def bind(request: Request) -> Any:
        return _checked(kind.validate_python, request.path_params[name], "path", name)

    return bind


def _header(alias: str, kind: TypeAdapter[Any], parameter: inspect.Parameter) -> Bind:
    async def bind(request: Request) -> Any:
        said = request.headers.get(alias)
        if said is not None:
            return _checked(kind.validate_python, said, "header", alias)
        if parameter.default is not inspect.Parameter.empty:
            return parameter.default
        raise RequestValidationError(
            [{"type": "missing", "loc": ("header", alias), "msg": "Field required", "input": None}]
        )

    return bind


def _body(model: type[BaseModel]) -> Bind:
    validate = partial(model.__pydantic_validator__.validate_python, from_attributes=True)

    async def bind(request: Request) -> Any:
        raw = await request.body()
        if not raw:
            raise RequestValidationError([_NO_BODY])
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            said = json.loads(raw) if _JSON.fullmatch(kind) else raw
        except ValueError as error:
            where = getattr(error, "pos", 0)
            said = {"type": "json_invalid", "loc": ("body", where), "msg": "JSON decode error", "input": {}}
            raise _NoJsonError([said]) from error
        return _checked(validate, said, "body")

    return bind


def _checked(validate: Callable[[Any], Any], said: Any, *place: str) -> Any:
    try:
        return validate(said)
    except ValidationError as error:
        wrong = [dict(one) | {"loc": (*place, *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(wrong) from error
