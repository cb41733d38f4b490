"""Problems: every error a client sees has one shape, a name and a sentence, and never a stack trace."""

import psycopg.errors
import pytest
from sqlalchemy.exc import OperationalError

from app.errors import PROBLEM_JSON

PROBLEM = {"type", "title", "status", "detail"}


def _is_problem(answer, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == body["status"] == status
        and answer.headers["content-type"] == PROBLEM_JSON
        and body.keys() >= PROBLEM
        and body["type"].startswith("urn:afterloop:")
        and "Traceback" not in answer.text
    )


def test_an_unknown_address_is_a_problem(api):
    assert _is_problem(api.get("/nowhere"), 404)


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(api):
    answer = api.call("DELETE", "/projects")
    assert _is_problem(answer, 405)
    assert answer.headers["allow"]


@pytest.mark.parametrize("row_id", ["0", "-1", "abc", str(2**31), "9" * 30])
def test_an_id_no_row_can_have_is_malformed(api, row_id):
    answer = api.get(f"/projects/{row_id}")
    assert _is_problem(answer, 422)
    assert answer.json()["fields"][0]["field"] == "path.project_id"


def test_a_body_over_the_limit_is_refused_before_it_is_read(api):
    answer = api.upload(api.project(), b"\0" * 2_100_000)
    assert _is_problem(answer, 413)
    assert "over 2 MB" in answer.json()["detail"]


def test_a_body_that_hides_its_length_is_cut_off_at_the_limit(api):
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    pieces = (piece for piece in [head, *[b"\0" * 100_000] * 30])
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = api.post(f"/projects/{api.project()}/clips", content=pieces, headers=headers)
    assert _is_problem(answer, 413)
    assert answer.json()["type"] == "urn:afterloop:too_large"


def test_a_malformed_multipart_body_is_a_problem(api):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = api.post(f"/projects/{api.project()}/clips", content=b"--y\r\nnonsense", headers=headers)
    assert answer.status_code in (400, 422)
    assert _is_problem(answer, answer.status_code)


def test_a_value_the_database_cannot_hold_is_no_server_error(api):
    body = {"name": "a\0b", "classes": ["x", "y"], "encoder": "e"}
    answer = api.post("/projects", json=body)
    assert answer.status_code in (201, 422)  # PostgreSQL holds no NUL, SQLite does


def test_a_database_that_fails_is_503_and_the_service_stays_up(api, monkeypatch):
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    monkeypatch.setattr("app.projects.service.list_projects", away)
    assert _is_problem(api.get("/projects"), 503)
    monkeypatch.undo()
    assert api.get("/projects").status_code == 200


def test_who_lost_a_deadlock_is_told_to_try_again(api, monkeypatch):
    def crossed(*_: object) -> None:
        raise OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())

    monkeypatch.setattr("app.projects.service.list_projects", crossed)
    answer = api.get("/projects")
    assert _is_problem(answer, 409)
    assert answer.json()["detail"].endswith("then retry")


def test_a_defect_of_ours_is_a_problem_without_its_stack_trace(settings, serve, monkeypatch):
    def defect(*_: object) -> None:
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr("app.projects.service.list_projects", defect)
    with serve(settings, raise_server_exceptions=False) as api:
        answer = api.get("/projects")
    assert _is_problem(answer, 500)
    assert "secret" not in answer.text


def test_a_full_disk_is_a_named_problem_and_no_clip(api, wav_bytes, monkeypatch):
    import errno

    project = api.project()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.storage.os.fsync", full)
    answer = api.upload(project, wav_bytes())
    assert _is_problem(answer, 507)
    assert "no space left" in answer.json()["detail"]
    monkeypatch.undo()
    assert api.get(f"/projects/{project}/clips").json()["items"] == []


def test_openapi_declares_every_error_as_a_problem(api):
    document = api.app.openapi()
    assert "Problem" in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert PROBLEM_JSON in response.get("content", {}), (path, method, status)
            if path.startswith("/api/v1"):
                assert {"401", "403"} <= operation["responses"].keys(), (path, method)


def test_openapi_names_every_operation_once(api):
    paths = api.app.openapi()["paths"]
    names = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(names) == len(set(names))


def test_openapi_shows_an_example_of_every_body(api):
    document = api.app.openapi()
    schemas = document["components"]["schemas"]

    def shown(content: dict) -> bool:
        name = content.get("schema", {}).get("$ref", "").split("/")[-1]
        if not name or name.startswith("Page_") or "example" in content:
            return True
        fields = schemas[name].get("properties", {}).values()
        return "examples" in schemas[name] or any("examples" in field for field in fields)

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                assert all(map(shown, body.get("content", {}).values())), (path, method)
