"""A running service for the pages, and a Chromium that looks at them.

The server is a real uvicorn on SQLite; clips are uploaded over HTTP. Rounds and curve points are rows: what the pages
show does not depend on which checkpoint earned them.
"""

import hashlib
import io
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile
import uvicorn

from app.accounts.service import create_account
from app.db import Base, Database, utcnow
from app.main import create_app
from app.models import Assignment, Checkpoint, CurvePoint, Pick, Role, Round
from app.projects.service import get_project
from app.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000
HEARD = "() => Number(document.querySelector('[data-wave]').getAttribute('aria-valuenow')) >= 60"
CLASSES = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")


@dataclass(frozen=True)
class Stage:
    """A served database: what a test of the pages acts on and looks into."""

    url: str
    db: Database
    tokens: Mapping[Role, str]
    api: httpx.Client

    def make_project(self, name: str, clips: Sequence[bytes], **given: Any) -> tuple[int, list[int]]:
        """A project with these clips in its pool; returns its id and theirs."""
        body = {"name": name, "classes": list(CLASSES), "encoder": "tiny", "control_share": 1.0, **given}
        project = self._sent("/projects", json=body)["id"]
        path = f"/projects/{project}/clips"
        return project, [
            self._sent(path, files={"file": (f"{i}.wav", clip)}, data={"speaker": f"s{i % 4}"})["id"]
            for i, clip in enumerate(clips)
        ]

    def _sent(self, path: str, **request: Any) -> Any:
        reply = self.api.post(f"/api/v1{path}", **request)
        assert reply.is_success, reply.text
        return reply.json()

    def newcomer(self, name: str, role: Role = Role.ANNOTATOR) -> str:
        """The token of one more account."""
        with self.db.write() as session:
            return create_account(session, name, role, utcnow())[1]

    def answer_all(self, token: str, project_id: int, said: Callable[[int], dict[str, Any]]) -> None:
        """Answer every clip there is for this account, over HTTP; `said` gives the answer to a clip id."""
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30) as api:
            while leases := api.post(f"/projects/{project_id}/leases", json={"count": 8}).json()["leases"]:
                for lease in leases:
                    path, key = f"/leases/{lease['lease_id']}/annotation", {"Idempotency-Key": uuid.uuid4().hex}
                    api.post(path, json=said(lease["clip_id"]), headers=key).raise_for_status()

    def open_round(
        self,
        project_id: int,
        number: int,
        clips: Sequence[int],
        state: str = "annotating",
        overlap: int = 1,
        adaptive: dict[str, Any] | None = None,
    ) -> int:
        """A round that waits for `overlap` answers to each clip, or had them all when `state` is finished."""
        now = utcnow()
        done = state == "finished"
        with self.db.write() as session:
            project = get_project(session, project_id)
            opened = Round(
                project_id=project_id,
                number=number,
                state=state,
                strategy=project.strategy,
                recipe=project.recipe,
                seed=number,
                batch_size=len(clips),
                control_size=len(clips),
                overlap=overlap,
                adaptive=adaptive,
                seconds_select=0.02,
                created_at=now - timedelta(minutes=5),
                finished_at=now if done else None,
            )
            session.add(opened)
            session.flush()
            for rank, clip in enumerate(clips):
                session.add(Pick(round_id=opened.id, arm="strategy", clip_id=clip, rank=rank, score=0.0))
                session.add_all(
                    Assignment(
                        project_id=project_id,
                        round_id=opened.id,
                        clip_id=clip,
                        slot=slot,
                        position=slot * len(clips) + rank,
                        state="out" if done else "open",
                    )
                    for slot in range(overlap)
                )
            return opened.id

    def add_point(self, project_id: int, round_id: int, arm: str, n_labels: int, uar: float, half: float) -> None:
        """A learning-curve point of an arm, with its checkpoint."""
        now = utcnow()
        with self.db.write() as session:
            checkpoint = Checkpoint(
                project_id=project_id,
                round_id=round_id,
                arm=arm,
                kind="classifier",
                folder=f"checkpoints/{project_id}-{round_id}-{arm}",
                encoder_digest="e" * 64,
                labels_digest=hashlib.sha256(f"{round_id}{arm}".encode()).hexdigest(),
                recipe={},
                report={},
                created_at=now,
            )
            session.add(checkpoint)
            session.flush()
            session.add(
                CurvePoint(
                    project_id=project_id,
                    round_id=round_id,
                    arm=arm,
                    checkpoint_id=checkpoint.id,
                    n_labels=n_labels,
                    minutes=n_labels / 30,
                    uar=uar,
                    uar_low=uar - half,
                    uar_high=uar + half,
                    wa=uar + 0.01,
                    macro_f1=uar - 0.01,
                    strategy="coverage_then_margin" if arm == "strategy" else "random",
                    seed=0,
                    seconds={"select": 0.02, "fine_tune": 1.3, "evaluate": 0.4},
                    created_at=now,
                )
            )


@pytest.fixture(scope="module")
def voices() -> list[bytes]:
    """Thirty clips of 0.6 s, all different."""
    return [voice(seed) for seed in range(30)]


def voice(seed: int, seconds: float = 0.6) -> bytes:
    """A WAV of voiced noise, another for every seed."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16_000)) / 16_000
    tone = sum(np.sin(2 * np.pi * (110 + seed) * k * t + rng.uniform(0, 6)) / k for k in range(1, 10))
    swell = 0.25 + np.abs(np.sin(2 * np.pi * 3 * t + seed))
    wav = io.BytesIO()
    soundfile.write(wav, 0.1 * tone * swell + 0.003 * rng.standard_normal(len(t)), 16_000, format="WAV")
    return wav.getvalue()


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[Stage]:
    """Run the service over a fresh SQLite file in a thread of this process, with one account a role."""
    app = create_app(Settings(data=folder, _env_file=None))
    db: Database = app.state.db
    Base.metadata.create_all(db.engine)
    with db.write() as session:
        tokens = {role: create_account(session, f"{role} one", role, utcnow())[1] for role in Role}
    listening = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {tokens[Role.OPERATOR]}"}, timeout=30) as api:
        yield Stage(url, db, tokens, api)
    server.should_exit = True
    thread.join(timeout=20)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The service that the pages' tests share; each makes its own project."""
    with served(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright. Of the module: Playwright keeps an event loop in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the pages: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A browser that is signed in, and everything it complained about or asked elsewhere for."""

    page: "Page"
    context: "BrowserContext"
    base: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    expected: str = r"^$"

    def open(self, path: str) -> "Page":
        self.page.goto(self.base + path)
        return self.page

    def start_labelling(self, project: int) -> "Page":
        """The annotator's page with its first clip sounding."""
        self.open(f"/projects/{project}/annotate")
        self.start_sound()
        return self.page

    def start_sound(self) -> None:
        """Give the gesture that a browser may want before it plays."""
        asked = self.page.locator("[data-start]:visible")
        asked.or_(self.page.locator(".playing")).wait_for()
        if asked.count():
            self.page.keyboard.press("Space")

    def answer(self, *keys: str) -> None:
        """Listen to some of the clip and press keys."""
        self.page.wait_for_function(HEARD)
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def enter(chromium: "Browser", stage: Stage) -> Iterator[Callable[..., Visit]]:
    """Open a browser as a role, or with a token. At the end: no error, and no request to another origin."""
    visits: list[Visit] = []

    def opened(role: Role = Role.ANNOTATOR, token: str = "", **options: Any) -> Visit:
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([{"name": "afterloop_token", "value": token or stage.tokens[role], "url": stage.url}])
        visit = Visit(context.new_page(), context, stage.url)
        page = visit.page
        page.on("console", lambda message: visit.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on(
            "request", lambda request: visit.foreign.append(request.url) if _leaves(request.url, stage.url) else None
        )
        visits.append(visit)
        return visit

    yield opened
    for visit in visits:
        visit.context.close()
        assert visit.foreign == []
        assert [text for text in visit.complaints if not re.search(visit.expected, text)] == []


def _leaves(url: str, base: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("blob", "data") and parts.netloc != urlsplit(base).netloc
