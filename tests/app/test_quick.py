"""A quick route refuses and accepts exactly what FastAPI's own route does, in the same words."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from app.annotations.routes import Key, OptionalKey
from app.dependencies import Annotator, RowId, WriterDep
from app.errors import install_error_handlers
from app.quick import QuickRoute


class Said(BaseModel):
    count: int = Field(ge=1)
    word: str | None = None


async def strict(row_id: RowId, body: Said, key: Key, writer: WriterDep, caller: Annotator) -> Response:
    return Response(f"{row_id} {body.count} {body.word} {key} {writer is not None} {caller.name}")


async def lenient(row_id: str, writer: WriterDep, caller: Annotator, key: OptionalKey = None) -> Response:
    return Response(f"{row_id} {key} {caller.role}")


@pytest.fixture
def both(api: Any) -> TestClient:
    """The same two endpoints below /quick and below /usual."""
    app = FastAPI()
    install_error_handlers(app)
    for name in ("tokens", "writer", "db"):
        setattr(app.state, name, getattr(api.app.state, name))
    for prefix, kind in (("/quick", QuickRoute), ("/usual", APIRoute)):
        router = APIRouter(route_class=kind)
        router.post("/strict/{row_id}")(strict)
        router.post("/lenient/{row_id}")(lenient)
        app.include_router(router, prefix=prefix)
    return TestClient(app)


GOOD = {"json": {"count": 2, "word": "é"}, "headers": {"Idempotency-Key": "k"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "good": GOOD,
    "no key": {"json": {"count": 2}},
    "empty key": {"json": {"count": 2}, "headers": {"Idempotency-Key": ""}},
    "wrong field": {"json": {"count": 0}, "headers": {"Idempotency-Key": "k"}},
    "two wrong": {"json": {"count": "many", "word": 3}},
    "no object": {"json": [1], "headers": {"Idempotency-Key": "k"}},
    "null": {"json": None, "headers": {"Idempotency-Key": "k"}},
    "no json": {"content": b"{nonsense", "headers": {"Idempotency-Key": "k", "Content-Type": "application/json"}},
    "no body": {"headers": {"Idempotency-Key": "k"}},
    "text": {"content": b'{"count": 2}', "headers": {"Idempotency-Key": "k", "Content-Type": "text/plain"}},
    "no application": {"content": b"{}", "headers": {"Idempotency-Key": "k", "Content-Type": "a/b+json"}},
    "other json": {
        "content": b'{"count": 2}',
        "headers": {"Idempotency-Key": "k", "Content-Type": "application/b+json; c=d"},
    },
}


def _ask(both: TestClient, kind: str, path: str, token: str | None, **request: Any) -> tuple[int, str]:
    headers = dict(request.pop("headers", {}))
    if token is not None:
        headers["Authorization"] = token
    answer = both.post(f"/{kind}/{path}", headers=headers, **request)
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", ["strict/7", "strict/0", "strict/x", "lenient/x"])
def test_the_same_requests_get_the_same_answers(api: Any, both: TestClient, path: str) -> None:
    token = f"Bearer {api.tokens['annotator']}"
    for name, request in REQUESTS.items():
        quick, usual = (_ask(both, kind, path, token, **request) for kind in ("quick", "usual"))
        assert quick == usual, name
        assert path != "strict/7" or (quick[0] == 200) == (name in ("good", "other json")), name


def test_the_same_callers_are_let_in(api: Any, both: TestClient) -> None:
    held = [f"bearer {api.tokens[role]}" for role in ("viewer", "annotator")]
    for token in (None, "", "Bearer", "Bearer nobody", "Basic abc", *held):
        quick, usual = (_ask(both, kind, "strict/x", token, json={}) for kind in ("quick", "usual"))
        assert quick == usual, token
        assert quick[0] in (401, 403, 422), token


def test_a_cookie_signs_in(api: Any, both: TestClient) -> None:
    both.cookies.set("afterloop_token", api.tokens["annotator"])
    assert _ask(both, "quick", "strict/7", None, **GOOD) == (200, "7 2 é k True annotator")
