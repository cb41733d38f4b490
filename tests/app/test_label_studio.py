"""Label Studio as the front end: the same test bodies over a stand-in that keeps its protocol and over the real one.

The real one runs where AFTERLOOP_LABEL_STUDIO names its command (`pip install label-studio` in an environment of its
own: it brings 150 packages, Django among them).
"""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import select, update

from al_core.scheme import Dimension, Scheme
from app.db import Database, utcnow
from app.label_studio.audio import is_signed, signature
from app.label_studio.layout import layout
from app.label_studio.pull import pull
from app.label_studio.push import push, retract
from app.label_studio.results import ResultError, carried, regions, said
from app.label_studio.service import SECRET_HEADER, Wish, connect, disconnect, link_of
from app.main import create_app
from app.models import (
    Account,
    Annotation,
    Assignment,
    AssignmentState,
    Checkpoint,
    Clip,
    Guess,
    Job,
    LabelStudioLink,
    LabelStudioTask,
    Project,
    Role,
    Round,
)
from app.rounds.service import open_round
from app.settings import Settings

TOKEN = "0123456789abcdef0123456789abcdef01234567"
SKIPS = ["bad_audio", "unsure"]


def test_the_layout_asks_what_the_scheme_asks():
    scheme = Scheme(("anger", 'a "quoted" <class>'), (Dimension("arousal", 1, 7),))
    tree = ElementTree.fromstring(layout(scheme, SKIPS, unclear=True, several=True))
    controls = {node.get("name"): node for node in tree}
    assert list(controls) == ["audio", "emotion", "unclear", "dimension.arousal", "skip_reason", "comment"]
    assert [choice.get("value") for choice in controls["emotion"]] == ["anger", 'a "quoted" <class>']
    assert controls["emotion"].get("choice") == "multiple"
    assert (controls["dimension.arousal"].get("min"), controls["dimension.arousal"].get("max")) == ("1", "7")


ANSWERS = [
    {"label": "anger"},
    {"label": "anger", "intensities": {"anger": 1.0, "joy": 0.5}},
    {"unclear": True, "comment": "mumbles"},
    {"dimensions": {"arousal": 4.5, "valence": -0.25}},
    {"skip_reason": "bad_audio"},
    {"label": "joy", "dimensions": {"arousal": 1.0}, "comment": "zwei\nZeilen"},
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_comes_back_as_it_was_written(answer):
    nothing = dict.fromkeys(("label", "intensities", "dimensions", "skip_reason", "comment")) | {"unclear": False}
    written = json.loads(json.dumps(regions(answer, {"annotator": "zoe"})))
    found = said(written)
    if answer.get("intensities"):
        assert found["intensities"] == answer["intensities"]
        found["label"] = answer["label"]  # two chosen classes name none alone; the service derives the strongest
    assert found == nothing | answer
    assert carried(written) == {"annotator": "zoe"}


@pytest.mark.parametrize("result", [None, 3, [3], [{"type": "choices"}], [{"type": "choices", "value": {"choices": 3}}],
                                    [{"from_name": "dimension.x", "value": {"number": "high"}}]])  # fmt: skip
def test_a_result_that_says_nothing_usable_is_refused_by_name(result):
    with pytest.raises(ResultError):
        said(result)


def test_an_audio_address_is_good_for_its_clip_and_secret_only():
    made = signature("secret", 7)
    assert is_signed("secret", 7, made)
    assert not any((is_signed("secret", 8, made), is_signed("other", 7, made), is_signed("secret", 7, made + "0")))
    assert not is_signed("secret", 7, "ä")


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


@pytest.fixture(scope="module")
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
def world(request, tmp_path, wav_bytes) -> Iterator[World]:
    studio = StandIn() if request.param == "stand-in" else None
    url = studio.url if studio is not None else request.getfixturevalue("real_studio")
    from app.accounts.service import create_account
    from app.migrating import upgrade

    settings = Settings(
        data=tmp_path, database_url=f"sqlite:///{tmp_path}/a.db", webhook_allow_private=True, _env_file=None
    )
    upgrade(settings.url)
    app = create_app(settings)
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


def test_a_round_is_pushed_once_and_blind(world: World):
    world.connect()
    first = list(push(world.db, world.project_id, True))[-1]
    again = list(push(world.db, world.project_id, True))[-1]
    assert (first.created, first.unchanged, again.created, again.unchanged) == (3, 0, 0, 3)
    tasks = world.tasks()
    assert sorted(tasks) == world.clip_ids
    for clip_id, task in tasks.items():
        assert task["data"].keys() == {"audio", "afterloop"}
        assert task["data"]["afterloop"] == {"clip_id": clip_id}  # no name, no speaker, no split
        assert not task.get("predictions")


def test_the_audio_opens_without_a_token_and_only_with_our_signature(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    urls = [world.tasks()[clip]["data"]["audio"] for clip in world.clip_ids[:2]]
    heard = httpx.get(urls[0], headers={"Range": "bytes=0-3"})
    assert (heard.status_code, heard.content) == (206, b"RIFF")
    assert heard.headers["access-control-allow-origin"] == "*"
    assert httpx.get(urls[0].split("?")[0], params={"signature": "0" * 64}).status_code == 403
    stolen = urls[0].split("?")[0] + "?" + urls[1].split("?")[1]
    assert httpx.get(stolen).status_code == 403
    with world.db.write() as session:
        disconnect(session, world.project_id)
    assert httpx.get(urls[0]).status_code == 404


def test_answers_come_by_webhook_and_a_pull_adds_nothing(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    tasks = world.tasks()
    labels = dict(zip(world.clip_ids, ("anger", "neutral", "happiness"), strict=True))
    for clip_id, label in labels.items():
        world.annotate(tasks[clip_id]["id"], label)
    events = world.wait(3)
    assert {event.clip_id: event.label for event in events} == labels
    report = list(pull(world.db, world.project_id, True))[-1]
    assert (report.created, report.unchanged, report.refused, report.conflict) == (0, 3, 0, 0)
    with world.db.read() as session:
        names = set(session.scalars(select(Account.name).join(Annotation, Annotation.account_id == Account.id)))
        assert names == {"ls@example.org"}
        assert session.scalars(select(Round.state)).one() == "fine_tuning"
        assert set(session.scalars(select(Assignment.state))) == {"done"}
    assert all(event.seconds == 2.5 for event in events)


def test_a_pull_finds_what_the_webhooks_lost(world: World):
    link = world.connect()
    list(push(world.db, world.project_id, True))
    with world.db.write() as session:  # every call of Label Studio is refused from now on
        session.get_one(LabelStudioLink, link.id).secret = "another"
    for task in world.tasks().values():
        world.annotate(task["id"], "anger")
    time.sleep(0.5)
    assert world.events() == []
    assert list(pull(world.db, world.project_id, True))[-1].created == 3
    assert list(pull(world.db, world.project_id, True))[-1].unchanged == 3


def test_an_answer_changed_over_there_is_a_revision_here(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    made = world.annotate(world.tasks()[world.clip_ids[0]]["id"], "anger")
    world.wait(1)
    world.call("PATCH", f"/api/annotations/{made['id']}/", {"result": regions({"label": "neutral"})})
    first, second = world.wait(2)
    assert (first.label, second.label, second.supersedes_id) == ("anger", "neutral", first.id)
    report = list(pull(world.db, world.project_id, True))[-1]
    assert (report.created, report.revised, report.unchanged) == (0, 0, 1)


def test_a_skip_over_there_is_a_skip_here(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    ids = {clip: task["id"] for clip, task in world.tasks().items()}
    world.annotate(ids[world.clip_ids[0]], "anger", result=[], was_cancelled=True)
    world.annotate(ids[world.clip_ids[1]], "anger", result=regions({"skip_reason": "bad_audio"}))
    reasons = [event.skip_reason for event in world.wait(2)]
    assert reasons == ["unsure", "bad_audio"]


def test_guesses_go_along_where_the_project_shows_them_and_are_recorded(world: World):
    with world.db.write() as session:
        session.get_one(Project, world.project_id).annotating = {"preannotations": True}
        made = Checkpoint(project_id=world.project_id, kind="classifier", folder="f", encoder_digest="d", recipe={},
                          report={}, created_at=utcnow())  # fmt: skip
        session.add(made)
        session.flush()
        shares = {"anger": 0.8, "happiness": 0.1, "neutral": 0.1}
        session.add(Guess(clip_id=world.clip_ids[0], checkpoint_id=made.id, label="anger", probabilities=shares))
    world.connect()
    assert list(push(world.db, world.project_id, True))[-1].predictions == 1
    tasks = world.tasks()
    (prediction,) = tasks[world.clip_ids[0]]["predictions"]
    assert (prediction["score"], prediction["result"][0]["value"]) == (0.8, {"choices": ["anger"]})
    assert not tasks[world.clip_ids[1]]["predictions"]
    for clip_id in world.clip_ids[:2]:
        world.annotate(tasks[clip_id]["id"], "anger")
    shown = {event.clip_id: event.shown for event in world.wait(2)}
    assert shown[world.clip_ids[0]]["label"] == "anger"
    assert shown[world.clip_ids[1]] is None


def test_a_push_that_died_before_it_remembered_makes_no_task_twice(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    with world.db.write() as session:
        session.query(LabelStudioTask).delete()
    report = list(push(world.db, world.project_id, True))[-1]
    assert (report.created, report.unchanged) == (0, 3)
    with world.db.read() as session:
        assert len(session.scalars(select(LabelStudioTask)).all()) == 3


def test_what_nobody_answered_is_taken_back_when_the_round_closes(world: World):
    world.connect()
    list(push(world.db, world.project_id, True))
    world.annotate(world.tasks()[world.clip_ids[0]]["id"], "anger")
    world.wait(1)
    closed = httpx.post(f"{world.our_url}/api/v1/rounds/1/close", headers=world.operator)
    assert closed.status_code == 200
    assert list(retract(world.db, world.project_id, True))[-1].removed == 2
    assert sorted(world.tasks()) == world.clip_ids[:1]


def test_what_label_studio_exports_is_what_we_import(world: World):
    """Our JSON → Label Studio → its JSON → us: nothing new, nothing lost."""
    from app.exports.service import export
    from app.imports.annotations import import_annotations

    link = world.connect()
    list(push(world.db, world.project_id, True))
    world.annotate(world.tasks()[world.clip_ids[0]]["id"], "anger")
    world.wait(1)
    told = json.loads("".join(export(world.db, world.project_id, "annotations", "label_studio")))
    if world.stand_in is not None:  # it keeps what it gets: that is the real one's to show
        data = json.dumps(told).encode()
    else:
        config = world.call("GET", f"/api/projects/{link.their_project}/")["label_config"]
        second = world.call("POST", "/api/projects/", {"title": "second", "label_config": config})["id"]
        world.call("POST", f"/api/projects/{second}/import", told)
        data = json.dumps(world.call("GET", f"/api/projects/{second}/export?exportType=JSON")).encode()
    report = list(import_annotations(world.db, world.project_id, io.BytesIO(data), "label_studio"))[-1]
    assert (report.created, report.revised, report.unchanged, report.refused, report.conflict) == (0, 0, 1, 0, 0)


def test_calls_without_our_secret_are_refused(world: World):
    link = world.connect()
    url, told = f"{world.our_url}/api/v1/label-studio/{link.id}/events", {"action": "ANNOTATION_CREATED"}
    assert httpx.post(url, json=told, headers={SECRET_HEADER: "guess"}).status_code == 403
    assert httpx.post(url, json=told).status_code == 401
    assert (
        httpx.post(
            f"{world.our_url}/api/v1/label-studio/99/events", json=told, headers={SECRET_HEADER: "x"}
        ).status_code
        == 404
    )
    other = httpx.post(url, json={"action": "TASKS_DELETED"}, headers={SECRET_HEADER: link.secret})
    assert (other.status_code, other.json()["created"]) == (200, 0)


def test_somebody_label_studio_added_meanwhile_is_asked_for_by_a_pull(world: World):
    link = world.connect()
    told = {"action": "ANNOTATION_CREATED", "annotation": {"completed_by": 4711, "result": []}, "task": {"data": {}}}
    url = f"{world.our_url}/api/v1/label-studio/{link.id}/events"
    for _ in range(2):
        assert httpx.post(url, json=told, headers={SECRET_HEADER: link.secret}).json()["pulled"]
    with world.db.read() as session:
        assert [job.payload for job in session.scalars(select(Job).where(Job.kind == "label_studio"))] == [
            {"do": "pull"}
        ]


def test_connecting_over_http_pushes_and_pulls_by_jobs(world: World):
    path = f"{world.our_url}/api/v1/projects/{world.project_id}/label-studio"
    assert httpx.get(path, headers=world.operator).status_code == 404
    body = {"url": world.studio, "token": TOKEN, "our_url": world.our_url}
    made = httpx.post(path, json=body, headers=world.operator)
    assert made.status_code == 201
    assert "token" not in made.json()
    assert httpx.post(path, json=body, headers=world.operator).status_code == 409
    for do in ("push", "pull"):
        job = httpx.post(f"{path}/{do}", headers=world.operator)
        assert (job.status_code, job.json()["kind"], job.json()["payload"]) == (202, "label_studio", {"do": do})
    assert httpx.delete(path, headers=world.operator).status_code == 204
    refused = httpx.post(path, json=body | {"token": "x" * 40}, headers=world.operator)
    assert (refused.status_code, refused.json()["type"]) == (502, "urn:afterloop:label_studio")
    with world.db.read() as session:
        assert session.scalars(select(LabelStudioLink)).all() == []
        assert session.scalars(select(Clip.id)).all() == world.clip_ids


def test_a_private_address_needs_the_setting(api):
    body = {"url": "http://127.0.0.1:1", "token": TOKEN, "our_url": "http://127.0.0.1:2"}
    refused = api.post(f"/projects/{api.project()}/label-studio", json=body)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:afterloop:address_refused")
