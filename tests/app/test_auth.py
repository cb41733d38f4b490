"""Who may do what."""

import pytest

from app.accounts.service import create_account, revoke_account
from app.accounts.tokens import TokenCache
from app.db import utcnow
from app.models import Role

MADE_BY = {
    "viewer": [("GET", "/projects"), ("GET", "/me"), ("GET", "/jobs")],
    "operator": [("POST", "/projects"), ("PATCH", "/projects/1"), ("POST", "/projects/1/clips"),
                 ("POST", "/projects/1/imports"), ("POST", "/projects/1/predictions"), ("GET", "/projects/1/export")],
    "admin": [("POST", "/accounts"), ("GET", "/accounts"), ("POST", "/accounts/1/revoke")],
}  # fmt: skip
EVERY_ROUTE = [route for routes in MADE_BY.values() for route in routes]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_no_token_is_401_and_says_how_to_send_one(api, method, path):
    answer = api.call(method, path, role=None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize("token", ["nonsense", "Bearer", "é", "x" * 10_000])
def test_a_token_nobody_holds_is_401(api, token):
    answer = api.get("/me", role=None, headers={"Authorization": f"Bearer {token}".encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize(("method", "path"), MADE_BY["operator"] + MADE_BY["admin"])
def test_a_role_below_is_403_and_names_the_role_needed(api, method, path):
    needed = "admin" if "accounts" in path else "operator"
    below = "operator" if needed == "admin" else "annotator"
    answer = api.call(method, path, role=below)
    assert answer.status_code == 403
    assert f"needs the role {needed}" in answer.json()["detail"]


@pytest.mark.parametrize("role", ["annotator", "operator", "admin"])
def test_a_role_above_may_do_what_those_below_may(api, role):
    assert api.get("/projects", role=role).status_code == 200


def test_every_route_of_the_api_asks_for_a_token(api):
    open_to_all = []
    for path, methods in api.app.openapi()["paths"].items():
        for method in methods:
            filled = path.replace("{project_id}", "1").replace("{", "1").replace("}", "")
            if api.call(method.upper(), filled, role=None, root=True).status_code != 401:
                open_to_all.append(path)
    assert sorted(open_to_all) == ["/healthz", "/metrics", "/readyz"]


def test_a_cookie_carries_the_token_as_well(api):
    api.client.cookies.set("afterloop_token", api.tokens[Role.VIEWER])
    assert api.get("/me", role=None).json()["role"] == "viewer"


def test_a_caller_is_remembered_for_a_few_seconds_and_then_looked_up_again(database):
    clock = iter((0.0, 4.9, 5.1)).__next__
    with database.write() as session:
        account, token = create_account(session, "alice", Role.ANNOTATOR, utcnow())
    tokens = TokenCache(database, ttl_s=5.0, clock=clock)
    assert tokens.remembered(token) is None
    assert tokens.look_up(token).id == account.id  # at 0.0
    with database.write() as session:
        revoke_account(session, account.id, utcnow())
    assert tokens.remembered(token).name == "alice"  # at 4.9, revoked elsewhere
    assert tokens.remembered(token) is None  # at 5.1
    assert tokens.look_up(token) is None


def test_forgetting_makes_a_revocation_immediate(database):
    with database.write() as session:
        _, token = create_account(session, "alice", Role.ANNOTATOR, utcnow())
    tokens = TokenCache(database)
    tokens.look_up(token)
    tokens.forget()
    assert tokens.remembered(token) is None


def test_a_remembered_caller_costs_no_query(api):
    from sqlalchemy import event

    queries: list[str] = []
    api.get("/me")
    event.listen(api.db.engine, "before_cursor_execute", lambda *args: queries.append(args[2]))
    assert api.get("/me").status_code == 200
    assert queries == []
