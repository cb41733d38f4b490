"""What the service's tests stand on: both databases built by Alembic, an API with a token a role, and small WAVs."""

import gc
import hashlib
import io
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from al_core.scheme import Scheme
from app.accounts.service import create_account
from app.db import Base, Database, utcnow
from app.main import API, create_app
from app.migrating import upgrade
from app.models import (
    Account,
    Asset,
    Assignment,
    AssignmentState,
    Clip,
    Job,
    JobState,
    Pick,
    Role,
    RoundState,
)
from app.projects.service import create_project
from app.rounds.service import open_round
from app.settings import Settings
from tests.app.stories import tell_stories

sys.path.insert(
    0, str(Path(__file__).parents[2])
)  # `migrations` is in the repository, not among the installed packages


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder, for the tests whose jobs run."""
    from al_core.encoders.tiny import build_tiny  # imports torch, which most of the service's tests do without

    return build_tiny("whisper", tmp_path_factory.mktemp("encoder"), width=16, n_layers=2)


@pytest.fixture(scope="session")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest revision, to be copied: a copy costs less than the revisions."""
    path = tmp_path_factory.mktemp("upgraded") / "afterloop.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upgraded: Path
) -> Iterator[str]:
    """An empty database of a module's own, at the newest revision."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(upgraded, tmp_path_factory.mktemp('database'))}"
        return
    from migrations.check import find_server, temporary_postgres

    server = find_server()
    if server is None:
        pytest.skip("no PostgreSQL server answers: start one, or name it in AFTERLOOP_TEST_POSTGRES")
    with temporary_postgres(server) as url:
        upgrade(url)
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """SQLite and PostgreSQL in turn, without a row."""
    database = Database(database_url)
    yield database
    _empty(database)
    database.dispose()


def _empty(database: Database) -> None:
    """Delete every row and count ids from 1 again. TRUNCATE would do it too, and flush a dozen files to the disk."""
    with database.write() as session:
        for table in ("projects", "assets", "accounts"):  # everything else hangs on a project
            session.execute(text(f"DELETE FROM {table}"))
        if not database.is_sqlite:
            for table in Base.metadata.tables.values():
                if "id" in table.columns:
                    session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1, false)"))


@dataclass(frozen=True)
class Api:
    """An application and a caller of each role; paths are below /api/v1 unless `root` is asked for."""

    app: FastAPI
    client: TestClient
    tokens: dict[Role, str]

    @property
    def db(self) -> Database:
        """The application's database."""
        return self.app.state.db

    def call(self, method: str, path: str, role: str | None = "operator", root: bool = False, **request: Any) -> Any:
        """One request by the caller of this role, or without a token when the role is None."""
        headers = dict(request.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[Role(role)]}"
        return self.client.request(method, path if root else API + path, headers=headers, **request)

    def get(self, path: str, role: str | None = "operator", **request: Any) -> Any:
        """GET as a role."""
        return self.call("GET", path, role, **request)

    def post(self, path: str, role: str | None = "operator", **request: Any) -> Any:
        """POST as a role."""
        return self.call("POST", path, role, **request)

    def project(self, name: str = "calls", **fields: Any) -> int:
        """The id of a new project with four classes."""
        body = {"name": name, "classes": ["anger", "happiness", "neutral", "sadness"], "encoder": "nobody/none"}
        answer = self.post("/projects", json=body | fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def upload(self, project_id: int, audio: bytes, name: str = "clip.wav", **fields: Any) -> Any:
        """Upload one clip as the operator."""
        return self.post(f"/projects/{project_id}/clips", files={"file": (name, audio)}, data=fields)


@contextmanager
def serving(settings: Settings, **client: Any) -> Iterator[Api]:
    """An application over the settings, its lifespan running, with an account named for each role."""
    app = create_app(settings)
    with app.state.db.write() as session:
        tokens = {role: create_account(session, str(role), role, utcnow())[1] for role in Role}
    gc.freeze()  # an application that starts collects garbage, which would look at all of torch for every test
    with TestClient(app, **client) as test_client:
        yield Api(app, test_client, tokens)


@pytest.fixture
def settings(database: Database, database_url: str, tmp_path: Path) -> Settings:
    """Settings over the test's database and folder, deaf to the environment's limits."""
    imports = tmp_path / "imports"
    imports.mkdir()
    return Settings(
        data=tmp_path / "data", database_url=database_url, import_root=imports, max_upload_mb=2, _env_file=None
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The API over both databases in turn."""
    with serving(settings) as api:
        yield api


@pytest.fixture
def serve() -> Callable[..., Any]:
    """`serving`, for a test that needs settings or a client of its own."""
    return serving


@pytest.fixture
def wav_bytes() -> Callable[..., bytes]:
    """A factory of small audio files: a sine of `hz` with a little noise, so that every `seed` gives other bytes."""

    def make(
        seconds: float = 1.0,
        hz: float = 220.0,
        rate: int = 16_000,
        seed: int = 0,
        channels: int = 1,
        amplitude: float = 0.5,
        container: str = "WAV",
    ) -> bytes:
        rng = np.random.default_rng(seed)
        t = np.arange(round(seconds * rate)) / rate
        wave = amplitude * (np.sin(2 * np.pi * hz * t) + 0.01 * rng.standard_normal(len(t)))
        file = io.BytesIO()
        soundfile.write(file, np.stack([wave] * channels, axis=1), rate, format=container)
        return file.getvalue()

    return make


FOUR_CLASSES = Scheme(("anger", "happiness", "neutral", "sadness"))


@dataclass(frozen=True)
class Annotating:
    """A round that waits for annotators, made without the science that would pick its clips."""

    project_id: int
    round_id: int
    clip_ids: list[int]


@pytest.fixture
def annotating() -> Callable[..., Annotating]:
    """A factory of rounds in the state `annotating`, whose clips have no audio behind them.

    Further arguments are settings of the queue: `Annotating` of `app/annotations/settings.py`.
    """

    def make(
        db: Database,
        clips: int = 4,
        overlap: int = 1,
        lease_s: float = 60.0,
        name: str = "calls",
        scheme: Scheme = FOUR_CLASSES,
        **settings: Any,
    ) -> Annotating:
        now = utcnow()
        with db.write() as session:
            project = create_project(
                session, name=name, scheme=scheme, encoder="nobody/none", lease_s=lease_s, annotating=settings, now=now
            )
            turn = open_round(session, project.id, batch_size=clips, overlap=overlap, now=now)
            session.execute(update(Job).where(Job.round_id == turn.id).values(state=JobState.SUCCEEDED))
            turn.state = RoundState.ANNOTATING
            ids = [_silent_clip(session, project.id, f"{name} {place}") for place in range(clips)]
            session.add_all(
                Pick(round_id=turn.id, arm="strategy", clip_id=i, rank=r, score=0) for r, i in enumerate(ids)
            )
            asked = {"project_id": project.id, "round_id": turn.id, "state": AssignmentState.OPEN}
            session.add_all(
                Assignment(clip_id=clip_id, slot=slot, position=slot * clips + place, **asked)
                for slot in range(overlap)
                for place, clip_id in enumerate(ids)
            )
        return Annotating(project.id, turn.id, ids)

    return make


def _silent_clip(session: Session, project_id: int, name: str) -> int:
    sha256, now = hashlib.sha256(name.encode()).hexdigest(), utcnow()
    session.add(Asset(sha256=sha256, size_bytes=1, media_type="audio/wav", duration_s=1.5, created_at=now))
    clip = Clip(
        project_id=project_id,
        asset_sha256=sha256,
        start_s=0,
        end_s=1.5,
        playback_sha256=sha256,
        playback_type="audio/wav",
        external_id=name,
        speaker="s",
        split="train",
        peaks=[0.1, 0.9],
        created_at=now,
    )
    session.add(clip)
    session.flush()
    return clip.id


@dataclass(frozen=True)
class Person:
    """An annotator at the API."""

    api: Api
    id: int
    token: str

    def call(self, method: str, path: str, **request: Any) -> Any:
        """One request as this annotator."""
        headers = {"Authorization": f"Bearer {self.token}"} | request.pop("headers", {})
        return self.api.call(method, path, None, headers=headers, **request)

    def lease(self, project_id: int, count: int = 1) -> list[dict[str, Any]]:
        """Claim clips."""
        answer = self.call("POST", f"/projects/{project_id}/leases", json={"count": count})
        assert answer.status_code == 200, answer.text
        return answer.json()["leases"]

    def held(self, project_id: int) -> list[dict[str, Any]]:
        """What this annotator holds."""
        return self.call("GET", f"/projects/{project_id}/leases").json()["leases"]

    def say(self, lease: dict[str, Any], label: str | None = "anger", key: str | None = None, **body: Any) -> Any:
        """Answer a clip, with a new key unless one is given."""
        sent = body if label is None else {"label": label} | body
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self.call("POST", f"/leases/{lease['lease_id']}/annotation", json=sent, headers=headers)

    def skip(self, lease: dict[str, Any], reason: str = "unsure") -> Any:
        """Skip a clip."""
        return self.call("POST", f"/leases/{lease['lease_id']}/skip", json={"reason": reason})

    def undo(self, project_id: int, count: int = 1, key: str | None = None) -> Any:
        """Take the newest answers back."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self.call("POST", f"/projects/{project_id}/undo", json={"count": count}, headers=headers)

    def revise(self, annotation_id: int, label: str | None = "neutral", key: str | None = None, **body: Any) -> Any:
        """Change an answer."""
        sent = body if label is None else {"label": label} | body
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self.call("POST", f"/annotations/{annotation_id}/revision", json=sent, headers=headers)


@pytest.fixture
def person(api: Api) -> Callable[[str], Person]:
    """A factory of annotators by name. The team is these: the account named `annotator` has left."""
    with api.db.write() as session:
        session.execute(update(Account).where(Account.name == "annotator").values(revoked_at=utcnow()))

    def join(name: str) -> Person:
        with api.db.write() as session:
            account, token = create_account(session, name, Role.ANNOTATOR, utcnow())
            return Person(api, account.id, token)

    return join


@pytest.fixture
def storied(api: Api, wav_bytes: Callable[..., bytes]) -> int:
    """A project in which everything happened that an export can tell: two scheme versions, several classes, dimensions,
    a revision, a withdrawal, a skip, a repeat, a guess that was shown, a ruling, and a clip known from its import."""
    project_id = api.project(classes=["anger", "joy", "neutral"], dimensions=[{"name": "arousal", "low": 1, "high": 7}])
    clips = [
        api.upload(project_id, wav_bytes(seed=seed), external_id=f"c{seed}", speaker=f"s{seed}").json()["id"]
        for seed in range(6)
    ]
    api.upload(project_id, wav_bytes(seed=6), external_id="c6", split="test", label="neutral")
    with api.db.write() as session:
        tell_stories(session, project_id, clips)
    return project_id
