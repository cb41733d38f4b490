"""The main job from audio to learning curve on a live service: nothing but HTTP from outside, a real worker inside."""

import csv
import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from al_core.encoders.tiny import build_tiny
from app.accounts.service import create_account
from app.db import Database, utcnow
from app.demo.service import running_service
from app.migrating import upgrade
from app.models import Role
from app.settings import Settings

CLASSES = ("anger", "neutral", "sadness")
SPLITS = {"s1": "train", "s2": "train", "s3": "train", "s4": "dev", "s5": "test", "s6": "test"}
CLIPS_A_CLASS = 4


@dataclass(frozen=True)
class Service:
    """A running service and its people."""

    manifest: Path
    encoder: Path
    operator: httpx.Client
    annotators: list[httpx.Client]

    def get(self, path: str, **query: Any) -> Any:
        return _sent(self.operator.get(path, params=query))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return _sent(self.operator.post(path, json=body or {}))

    def finish(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job once it has ended well."""
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = self.get(f"/jobs/{job['id']}")
        assert job["state"] == "succeeded", job["error"]
        return job

    def round_in(self, round_id: int, *states: str) -> dict[str, Any]:
        """The round once it is in one of these states."""
        while (turn := self.get(f"/rounds/{round_id}"))["state"] not in states:
            assert turn["state"] not in ("failed", "cancelled"), turn["error"]
            time.sleep(0.05)
        return turn


def _sent(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = Settings(data=tmp_path / "data", import_root=tmp_path, poll_s=0.05, _env_file=None)
    upgrade(settings.url)
    database = Database(settings.url)
    with database.write() as session:
        tokens = [
            create_account(session, str(number), role, utcnow())[1]
            for number, role in enumerate([Role.OPERATOR, Role.ANNOTATOR, Role.ANNOTATOR])
        ]
    database.dispose()
    with running_service(settings) as url:
        clients = [
            httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30)
            for token in tokens
        ]
        encoder = build_tiny("whisper", tmp_path / "encoder", width=16, n_layers=2)
        yield Service(_write_corpus(tmp_path / "corpus"), encoder, clients[0], clients[1:])
        for client in clients:
            client.close()


def _write_corpus(folder: Path) -> Path:
    """Tones whose pitch and loudness tell the class, by six speakers."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "speaker", "label", "split"])
        for speaker, split in SPLITS.items():
            for place, label in enumerate(CLASSES):
                for number in range(CLIPS_A_CLASS):
                    name = f"{speaker}-{label}-{number}.wav"
                    t = np.arange(8_000) / 16_000
                    tone = np.sin(2 * np.pi * (200 + 400 * place + 10 * number) * t) / (1 + place)
                    soundfile.write(folder / name, 0.4 * tone + 0.02 * rng.standard_normal(len(t)), 16_000)
                    rows.writerow([name, speaker, label, split])
    return folder / "manifest.csv"


def _annotate(annotator: httpx.Client, project_id: int, truth: dict[int, str], done: threading.Event) -> None:
    while not done.is_set():
        for lease in _sent(annotator.post(f"/projects/{project_id}/leases", json={"count": 3}))["leases"]:
            answer = {"label": truth[lease["clip_id"]], "seconds": 1.0}
            key = {"Idempotency-Key": uuid.uuid4().hex}
            _sent(annotator.post(f"/leases/{lease['lease_id']}/annotation", json=answer, headers=key))
        done.wait(0.05)


def test_a_corpus_becomes_a_learning_curve_over_http(service: Service) -> None:
    project = service.post(
        "/projects",
        {
            "name": "tones",
            "classes": list(CLASSES),
            "encoder": str(service.encoder),
            "recipe": {"layer": 1},
            "strategy": "coverage_then_margin",
            "batch_size": 6,
            "control_share": 1.0,
            "budget": 30,
        },
    )["id"]
    imported = service.finish(service.post(f"/projects/{project}/imports", {"manifest": "corpus/manifest.csv"}))
    assert imported["result"]["created"] == 72
    assert not imported["result"]["refused"]

    adapted = service.finish(
        service.post(
            f"/projects/{project}/tapt", {"recipe": {"steps": 3, "objective": {"units": 4}}, "activate": "always"}
        )
    )
    assert service.get(f"/projects/{project}")["encoder_checkpoint_id"] == adapted["result"]["checkpoint_id"]
    _follow_events(service, adapted)

    clips = service.get(f"/projects/{project}/clips", limit=1000)["items"]
    truth = {clip["id"]: clip["external_id"].split("-")[1] for clip in clips}
    done = threading.Event()
    people = [threading.Thread(target=_annotate, args=(client, project, truth, done)) for client in service.annotators]
    for person in people:
        person.start()
    turns = []
    for _ in range(2):
        opened = service.post(f"/projects/{project}/rounds")
        turns.append(service.round_in(opened["id"], "finished"))
    done.set()
    for person in people:
        person.join()

    _check_picks(turns, {clip["id"] for clip in clips if clip["split"] == "train"})
    _check_curve(service.get(f"/projects/{project}/curve"), turns)
    _check_predictions(service, project, truth)


def _follow_events(service: Service, job: dict[str, Any]) -> None:
    stream = service.operator.get(f"/jobs/{job['id']}/events")
    events = [line.split("\n") for line in stream.text.strip().split("\n\n")]
    assert [event[1] for event in events][-1] == "event: end"
    reports = [json.loads(event[2].removeprefix("data: ")) for event in events]
    assert {"targets", "train"} <= {report.get("stage") for report in reports}
    last_id = events[-1][0].removeprefix("id: ")
    rest = service.operator.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": str(int(last_id) - 1)})
    assert rest.text.strip().split("\n") == events[-1]
    nothing = service.operator.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": last_id})
    assert nothing.status_code == 204


def _check_picks(turns: list[dict[str, Any]], training: set[int]) -> None:
    for arm in ("strategy", "control"):
        picked = [pick["clip_id"] for turn in turns for pick in turn["picks"] if pick["arm"] == arm]
        assert len(picked) == len(set(picked)) == 12
        assert set(picked) <= training
    ranks = [pick["rank"] for pick in turns[0]["picks"] if pick["arm"] == "strategy"]
    assert ranks == list(range(6))
    assert all(turn["encoder_digest"] == turns[0]["encoder_digest"] for turn in turns)


def _check_curve(curve: dict[str, Any], turns: list[dict[str, Any]]) -> None:
    points = [(point["round"], point["arm"], point["n_labels"]) for point in curve["points"]]
    assert points == [(0, "strategy", 6), (0, "control", 6), (1, "strategy", 12), (1, "control", 12)]
    assert curve["n_train"] == 36
    for point in curve["points"]:
        assert 0 <= point["uar_low"] <= point["uar"] <= point["uar_high"] <= 1
        assert point["minutes"] == pytest.approx(point["n_labels"] * 0.5 / 60, abs=1e-3)
    assert {point["round_id"] for point in curve["points"]} == {turn["id"] for turn in turns}


def _check_predictions(service: Service, project: int, truth: dict[int, str]) -> None:
    checkpoints = service.get("/checkpoints", project_id=project)["items"]
    promoted = [checkpoint for checkpoint in checkpoints if checkpoint["promoted_at"]]
    assert [(one["arm"], one["kind"]) for one in promoted] == [("strategy", "classifier")]
    job = service.finish(service.post(f"/projects/{project}/predictions", {"split": "test"}))
    rows = list(csv.DictReader(service.operator.get(f"/jobs/{job['id']}/file").text.splitlines()))
    assert len(rows) == job["result"]["clips"] == 24
    assert {int(row["clip_id"]) for row in rows} <= truth.keys()
    assert all(sum(float(row[name]) for name in CLASSES) == pytest.approx(1, abs=1e-4) for row in rows)
