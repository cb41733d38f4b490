"""Health checks, metrics, and what the web process weighs."""

import subprocess
import sys

from app.migrating import downgrade, upgrade

WEIGH = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from app.main import create_app
from app.migrating import upgrade
from app.settings import Settings

settings = Settings(data=Path(sys.argv[1]), _env_file=None)
upgrade(settings.url)
with TestClient(create_app(settings)) as client:
    for path in ("/readyz", "/metrics", "/openapi.json", "/login", "/api/v1/projects"):
        client.get(path)
heavy = {"torch", "sklearn", "transformers", "peft", "modAL"} & {name.split(".")[0] for name in sys.modules}
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(",".join(sorted(heavy)) or "none", int(peak.split()[1]) / 1000)
"""


def test_the_web_process_imports_no_learning_library_and_stays_small(tmp_path):
    done = subprocess.run([sys.executable, "-c", WEIGH, str(tmp_path)], capture_output=True, text=True, check=True)
    heavy, megabytes = done.stdout.split()
    assert heavy == "none"
    assert float(megabytes) < 150


def test_health_needs_no_token(api):
    assert api.get("/healthz", role=None, root=True).json() == {"status": "ok"}
    assert api.get("/readyz", role=None, root=True).json() == {"status": "ok"}


def test_a_database_that_was_not_upgraded_is_not_ready(api, database_url):
    downgrade(database_url, "base")
    try:
        answer = api.get("/readyz", role=None, root=True)
    finally:
        upgrade(database_url)
    assert answer.status_code == 503
    assert "afterloop db upgrade" in answer.json()["detail"]


def test_a_storage_that_cannot_be_written_is_not_ready(api):
    api.app.state.storage.root.parent.mkdir(parents=True, exist_ok=True)
    api.app.state.storage.root.write_text("a file where the folder should be")
    answer = api.get("/readyz", role=None, root=True)
    assert answer.status_code == 507
    assert "cannot be written" in answer.json()["detail"]


def test_requests_are_counted_by_route_not_by_id(api):
    project = api.project()
    for path in (f"/projects/{project}", f"/projects/{project}", "/projects/998", "/projects/999"):
        api.get(path)
    api.get("/no/such/address")
    metrics = api.get("/metrics", role=None, root=True).text
    route = 'method="GET",route="/api/v1/projects/{project_id}"'
    assert f'afterloop_requests_total{{{route},status="200"}} 2.0' in metrics
    assert f'afterloop_requests_total{{{route},status="404"}} 2.0' in metrics
    assert f"afterloop_request_seconds_count{{{route}}} 4.0" in metrics
    assert 'route="unmatched",status="404"} 1.0' in metrics


def test_jobs_are_counted_by_kind_and_state(api, wav_bytes):
    api.upload(api.project(), wav_bytes())
    assert 'afterloop_jobs{kind="embed",state="queued"} 1.0' in api.get("/metrics", role=None, root=True).text


def test_two_applications_in_one_process_count_apart(settings, serve):
    with serve(settings) as one:
        one.get("/me")
    from app.main import create_app

    assert create_app(settings).state.registry is not one.app.state.registry
