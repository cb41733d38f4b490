"""The bridges on the command line: every format out, answers back in, webhooks told of."""

import hashlib
import json

import pytest
from sqlalchemy import select

from app.models import Webhook


@pytest.fixture(autouse=True)
def on_the_tests_database(run, settings, monkeypatch):
    monkeypatch.setenv("AFTERLOOP_DATABASE_URL", settings.url)
    monkeypatch.setenv("AFTERLOOP_DATA", str(settings.data))


def test_what_is_exported_is_imported_again_unchanged(run, storied, tmp_path):
    told = run("export", "calls", "--output", "a.jsonl")
    assert told.returncode == 0, told.stderr
    file = (tmp_path / "a.jsonl").read_bytes()
    assert told.stderr.strip() == f"11 rows, sha256 {hashlib.sha256(file).hexdigest()}"
    back = run("annotations", "import", "calls", "a.jsonl", "--annotator", "nobody=annotator")
    assert (back.returncode, back.stdout.splitlines()[-1]) == (
        0,
        "0 created, 0 revised, 12 unchanged, 0 rulings, 0 in conflict, 0 refused",
    )


def test_text_goes_to_standard_output_and_binary_formats_want_a_file(run, storied, tmp_path):
    rows = [json.loads(line) for line in run("export", "calls", "--what", "labels").stdout.splitlines()]
    assert [row["label"] for row in rows] == ["joy", "anger", None, "anger", "neutral"]
    refused = run("export", "calls", "--format", "parquet")
    assert refused.returncode == 2
    assert "name a file" in refused.stderr
    assert run("export", "calls", "--format", "csv", "--audio").returncode == 2
    assert run("export", "calls", "--format", "datasets", "--audio", "--output", "d.zip").returncode == 0
    assert (tmp_path / "d.zip").read_bytes()[:2] == b"PK"


def test_rows_that_cannot_go_in_are_told_and_the_exit_code_tells(run, storied, tmp_path):
    (tmp_path / "b.csv").write_text("external_id,annotator,annotation\nc5,zoe,anger\nc99,zoe,anger\n")
    back = run("annotations", "import", "calls", "b.csv", "--format", "csv")
    assert back.returncode == 2
    assert "1 created" in back.stdout
    assert "row 2: unknown_clip: 'c99' is no clip of this project" in back.stderr
    assert run("annotations", "import", "calls", "b.csv", "--annotator", "nonsense").returncode == 2


def test_webhooks_are_added_listed_and_refused(run, api, storied):
    made = run("webhook", "add", "calls", "http://93.184.215.14/hook", "--kind", "round.ready")
    assert made.returncode == 0, made.stderr
    with api.db.read() as session:
        (hook,) = session.scalars(select(Webhook))
    assert made.stdout.strip() == hook.secret
    listed = run("webhook", "list", "calls").stdout
    assert "round.ready" in listed
    assert hook.secret not in listed
    assert run("webhook", "add", "calls", "http://93.184.215.14/", "--kind", "no.such").returncode == 2
    private = run("webhook", "add", "calls", "http://127.0.0.1/")
    assert private.returncode == 1
    assert "private address" in private.stderr
    assert run("webhook", "replay", str(hook.id)).stdout.strip() == "0 deliveries are sent again"
    assert run("webhook", "log", str(hook.id)).returncode == 0


def test_a_project_without_a_connection_says_so(run, storied):
    refused = run("labelstudio", "pull", "calls")
    assert refused.returncode == 1
    assert "connect it first" in refused.stderr
