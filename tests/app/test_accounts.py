"""Accounts over HTTP and their service."""

import pytest

from app.accounts.service import create_account
from app.db import utcnow
from app.errors import ConflictError
from app.models import Account, Role


def test_a_new_account_gets_a_token_that_works(api):
    made = api.post("/accounts", role="admin", json={"name": "alice", "role": "annotator"})
    assert made.status_code == 201
    me = api.get("/me", role=None, headers={"Authorization": f"Bearer {made.json()['token']}"})
    assert me.json() == {"id": made.json()["id"], "name": "alice", "role": "annotator"}


def test_the_token_is_stored_only_as_a_hash(api):
    token = api.post("/accounts", role="admin", json={"name": "alice"}).json()["token"]
    listed = api.get("/accounts", role="admin").text
    with api.db.read() as session:
        stored = session.query(Account).filter_by(name="alice").one()
    assert token not in listed
    assert token != stored.token_sha256
    assert len(stored.token_sha256) == 64


def test_a_name_is_given_once(api):
    assert api.post("/accounts", role="admin", json={"name": "alice"}).status_code == 201
    again = api.post("/accounts", role="admin", json={"name": "alice"})
    assert again.status_code == 409
    assert "choose another name" in again.json()["detail"]


def test_a_revoked_token_stops_working_at_once(api):
    made = api.post("/accounts", role="admin", json={"name": "alice"}).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert api.get("/me", role=None, headers=bearer).status_code == 200
    assert api.post(f"/accounts/{made['id']}/revoke", role="admin").json()["revoked_at"] is not None
    assert api.get("/me", role=None, headers=bearer).status_code == 401


def test_revoking_twice_keeps_the_first_moment(api):
    account_id = api.post("/accounts", role="admin", json={"name": "alice"}).json()["id"]
    first = api.post(f"/accounts/{account_id}/revoke", role="admin").json()
    assert api.post(f"/accounts/{account_id}/revoke", role="admin").json() == first


def test_revoking_nobody_is_not_found(api):
    assert api.post("/accounts/999/revoke", role="admin").status_code == 404


def test_accounts_are_listed_in_pages(api):
    first = api.get("/accounts?limit=3", role="admin").json()
    rest = api.get(f"/accounts?limit=3&after={first['next_after']}", role="admin").json()
    assert [row["name"] for row in first["items"] + rest["items"]] == ["viewer", "annotator", "operator", "admin"]
    assert rest["next_after"] is None


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x", "role": "king"}, {"name": "x", "rôle": "admin"}, {}])
def test_a_malformed_account_names_its_field(api, body):
    answer = api.post("/accounts", role="admin", json=body)
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["field"].startswith("body.")


def test_the_service_makes_the_first_admin_without_a_caller(database):
    with database.write() as session:
        account, token = create_account(session, name="root", role=Role.ADMIN, now=utcnow())
    assert account.id is not None
    assert len(token) >= 43
    with pytest.raises(ConflictError), database.write() as session:
        create_account(session, name="root", role=Role.ADMIN, now=utcnow())
