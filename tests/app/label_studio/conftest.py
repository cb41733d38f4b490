"""Label Studio as the front end: a stand-in that keeps its protocol, the real one, and a round that is sent there.

The real one runs where AFTERLOOP_LABEL_STUDIO names its command (`pip install label-studio` in an environment of its
own: it brings 150 packages, Django among them).
"""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import select, update

from app.accounts.service import create_account
from app.db import Database, utcnow
from app.label_studio.results import regions
from app.label_studio.service import Wish, connect, link_of
from app.main import create_app
from app.models import Annotation, Assignment, AssignmentState, Job, LabelStudioLink, Role, Round
from app.rounds.service import open_round
from app.settings import Settings

TOKEN = "0123456789abcdef0123456789abcdef01234567"


class StandIn:
    """The part of Label Studio's REST API that is used, as the real one answers it (seen on 1.23.2)."""

    def __init__(self) -> None:
        self.tasks: dict[int, dict[str, Any]] = {}
        self.hooks: list[dict[str, Any]] = []
        self.project: dict[str, Any] = {}
        self.imports = 0
        studio = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") != f"Token {TOKEN}":
                    return self._reply(401, {"detail": "Invalid token."})
                path, _, query = self.path.partition("?")
                return self._reply(*studio.answer(self.command, path, query, json.loads(body) if body else None))

            do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - names of the standard library

            def _reply(self, status: int, body: Any) -> None:
                data = b"" if status == 204 else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        task = re.fullmatch(r"/api/tasks/(\d+)/", path)
        answered = re.fullmatch(r"/api/tasks/(\d+)/annotations/", path)
        changed = re.fullmatch(r"/api/annotations/(\d+)/", path)
        match method, path:
            case "POST", "/api/projects/":
                self.project = body | {"id": 1}
                return 201, self.project
            case "PATCH", "/api/projects/1/":
                self.project |= body
                return 200, self.project
            case "POST", "/api/projects/1/import":
                return 201, self._import(body)
            case "GET", "/api/tasks":
                rows = [t | {"total_annotations": len(t["annotations"])} for t in self.tasks.values()]
                return 200, {"total": len(rows), "tasks": rows}
            case "GET", "/api/users/":
                return 200, [{"id": 1, "email": "ls@example.org"}, {"id": 2, "email": "two@example.org"}]
            case "GET", "/api/webhooks/":
                return 200, self.hooks
            case "POST", "/api/webhooks/":
                self.hooks.append(body)
                return 201, body
            case "GET", "/api/projects/1/export":
                return 200, [t for t in self.tasks.values() if t["annotations"]]
        if method == "DELETE" and task:
            del self.tasks[int(task[1])]
            return 204, None
        if method == "POST" and answered:
            return 201, self._annotate(int(answered[1]), body)
        if method == "PATCH" and changed:
            return 200, self._change(int(changed[1]), body)
        return 404, {"detail": f"{method} {path}"}

    def _import(self, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        self.imports += 1
        ids = [len(self.tasks) + 1 + i for i in range(len(tasks))]
        for number, given in zip(ids, tasks, strict=True):
            self.tasks[number] = given | {"id": number, "annotations": []}
        return {"task_count": len(tasks), "task_ids": ids}

    def _annotate(self, task: int, body: dict[str, Any]) -> dict[str, Any]:
        number = 100 * task + len(self.tasks[task]["annotations"])
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        made = {"id": number, "unique_id": f"u{number}", "completed_by": 1, "was_cancelled": False, "task": task}
        made |= {"created_at": at, "updated_at": at} | body
        self.tasks[task]["annotations"].append(made)
        self._call("ANNOTATION_CREATED", task, made)
        return made

    def _change(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        task = number // 100
        (made,) = (one for one in self.tasks[task]["annotations"] if one["id"] == number)
        made.update(body)
        self._call("ANNOTATION_UPDATED", task, made)
        return made

    def _call(self, action: str, task: int, annotation: dict[str, Any]) -> None:
        told = {"action": action, "task": {"id": task, "data": self.tasks[task]["data"]}, "annotation": annotation}
        for hook in self.hooks:
            httpx.post(hook["url"], json=told, headers=hook["headers"])

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def real_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Label Studio itself, on SQLite, with one user."""
    command = os.environ.get("AFTERLOOP_LABEL_STUDIO") or shutil.which("label-studio")
    if command is None:
        pytest.skip("no Label Studio: pip install label-studio elsewhere, name its command in AFTERLOOP_LABEL_STUDIO")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("studio")
    user = ["--username", "ls@example.org", "--password", "correct horse 7", "--user-token", TOKEN]
    where = ["--data-dir", str(folder), "-p", str(port), "--internal-host", "127.0.0.1"]
    settings = {"LABEL_STUDIO_BASE_DATA_DIR": str(folder), "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true"}
    settings |= {"SSRF_PROTECTION_ENABLED": "false", "COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false"}
    with (folder / "log").open("wb") as log:
        studio = subprocess.Popen(
            [command, "start", "--init", "first", *user, "--enable-legacy-api-token", "--no-browser", *where],
            env=os.environ | settings, stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/health", studio, folder / "log")
            yield url
        finally:
            studio.terminate()
            studio.wait(30)


def _wait_for(url: str, studio: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        assert studio.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise TimeoutError(url)


@dataclass
class World:
    """Our service on a real port, a round of three clips with audio, and a Label Studio."""

    db: Database
    our_url: str
    studio: str
    project_id: int
    clip_ids: list[int]
    operator: dict[str, str]
    stand_in: StandIn | None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask Label Studio as its user."""
        answer = httpx.request(method, self.studio + path, json=body, headers={"Authorization": f"Token {TOKEN}"})
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def connect(self, follow: bool = True) -> LabelStudioLink:
        wish = Wish(self.studio, TOKEN, None, self.our_url, follow)
        return connect(self.db, self.project_id, wish, True, now=utcnow())

    def tasks(self) -> dict[int, dict[str, Any]]:
        """Label Studio's tasks by our clip."""
        with self.db.read() as session:
            link = link_of(session, self.project_id)
        found = self.call("GET", f"/api/tasks?project={link.their_project}&page_size=500&fields=all")["tasks"]
        return {task["data"]["afterloop"]["clip_id"]: task for task in found}

    def annotate(self, task: int, label: str, **more: Any) -> dict[str, Any]:
        """Answer a task over there, as its front end does."""
        body = {"result": regions({"label": label}), "lead_time": 2.5} | more
        return self.call("POST", f"/api/tasks/{task}/annotations/", body)

    def events(self) -> list[Annotation]:
        with self.db.read() as session:
            return list(session.scalars(select(Annotation).order_by(Annotation.id)))

    def wait(self, n: int) -> list[Annotation]:
        """Our annotations once there are `n`: the webhook's way in."""
        for _ in range(200):
            if len(found := self.events()) >= n:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{len(self.events())} of {n} annotations came")


@pytest.fixture(params=["stand-in", pytest.param("label studio", marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def world(request, tmp_path, upgraded, wav_bytes) -> Iterator[World]:
    studio = StandIn() if request.param == "stand-in" else None
    url = studio.url if studio is not None else request.getfixturevalue("real_studio")
    url_of_ours = f"sqlite:///{shutil.copy(upgraded, tmp_path)}"
    app = create_app(Settings(data=tmp_path, database_url=url_of_ours, webhook_allow_private=True, _env_file=None))
    with app.state.db.write() as session:
        token = create_account(session, "operator", Role.OPERATOR, utcnow())[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    ours, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}
    body = {"name": "calls", "classes": ["anger", "happiness", "neutral"], "encoder": "none"}
    project_id = httpx.post(f"{ours}/api/v1/projects", json=body, headers=headers).json()["id"]
    clips = [_upload(ours, headers, project_id, wav_bytes(seed=seed), f"c{seed}") for seed in range(3)]
    with app.state.db.write() as session:
        turn = open_round(session, project_id, batch_size=3, overlap=1, now=utcnow())
        session.execute(update(Job).values(state="succeeded"))
        session.execute(update(Round).values(state="annotating"))
        asked = {"project_id": project_id, "round_id": turn.id, "slot": 0, "state": AssignmentState.OPEN}
        session.add_all(Assignment(**asked, clip_id=clip, position=place) for place, clip in enumerate(clips))
    yield World(app.state.db, ours, url, project_id, clips, headers, studio)
    server.should_exit = True
    thread.join()
    if studio is not None:
        studio.close()


def _upload(url: str, headers: dict[str, str], project_id: int, audio: bytes, name: str) -> int:
    files, data = {"file": (f"{name}.wav", audio)}, {"external_id": name, "speaker": name}
    path = f"{url}/api/v1/projects/{project_id}/clips"
    return int(httpx.post(path, files=files, data=data, headers=headers).json()["id"])
