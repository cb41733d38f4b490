"""What is measured of a checkpoint: figures, gaps between groups, noise, and what is refused."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import select, update
from sqlalchemy.orm.attributes import flag_modified

from al_core.scheme import Scheme
from app.checkpoints.service import request_examination
from app.db import utcnow
from app.errors import ConflictError, InvalidError
from app.jobs import queue
from app.jobs.child import run_job
from app.models import Checkpoint, Clip, Project, Round
from app.predictions.service import request_predictions
from app.rounds.service import close_round, open_round

CLASSES = ("high", "low")


def test_a_gap_above_the_limit_is_a_warning_on_the_round(make: Any) -> None:
    made = make(Scheme(CLASSES), fairness={"columns": ["gender", "language", "age"], "limit": 0.2})
    turn = made.round()
    (point,) = made.points()
    fairness = point.figures["fairness"]
    groups = {group["name"]: group for group in fairness["gender"]["groups"]}
    assert {name: group["n"] for name, group in groups.items()} == {"female": 24, "male": 24}
    assert groups["male"]["uar"] < groups["female"]["uar"] - 0.2
    gap = fairness["gender"]["equal_opportunity"]["maximum"]
    assert gap > 0.2
    said = [warning for warning in turn.warnings if warning.startswith("gender: the gap of equality of opportunity")]
    assert len(said) == 1 and f"is {gap:.2f}" in said[0] and "above the limit of 0.2" in said[0]
    assert fairness["age"] == {"reason": "no test clip has both a class and a group: import the column with the clips"}
    assert any(warning.startswith("age: no test clip") for warning in turn.warnings)
    assert {group["name"] for group in fairness["language"]["groups"]} == {"de", "ur"}


def test_gaps_below_the_limit_are_no_warning(make: Any) -> None:
    turn = make(Scheme(CLASSES), fairness={"columns": ["gender"], "limit": 1}).round()
    assert turn.warnings == []


def test_an_examination_keeps_figures_under_noise_and_between_groups(make: Any) -> None:
    made = make(Scheme(CLASSES), fairness={"columns": ["gender"], "limit": 0.2})
    made.round()
    checkpoint = made.checkpoint()
    with made.db.write() as session:
        request_examination(session, checkpoint.id, "test", [60, -10], now=utcnow())
    assert made.jobs() == [("examine", "succeeded")]
    found = made.checkpoint().report["examinations"]["test"]
    (point,) = made.points()
    assert found["clean"] == {name: value for name, value in point.figures.items() if name != "fairness"}
    assert found["fairness"] == point.figures["fairness"] and found["warnings"]
    loud, drowned = found["noise"]
    assert (loud["snr_db"], drowned["snr_db"]) == (60, -10)
    assert abs(loud["classes"]["uar"] - point.uar) < 0.1 < loud["classes"]["uar"] - drowned["classes"]["uar"]
    assert not list((made.settings.data / "runs").iterdir())
    assert made.checkpoint().report["n_labels"] == 12


def test_an_examination_under_recorded_noise_mixes_the_recordings_in(make: Any, tmp_path: Path) -> None:
    made = make(Scheme(CLASSES))
    made.round()
    (tmp_path / "noise").mkdir()
    hum = np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)  # as low as the class "low"
    soundfile.write(tmp_path / "noise" / "hum.wav", hum, 16_000)
    with_hum = replace(made, settings=made.settings.model_copy(update={"noise": tmp_path / "noise"}))
    found = []
    for recordings in (False, True):
        with made.db.write() as session:
            request_examination(session, made.checkpoint().id, "test", [-10], recordings, now=utcnow())
        assert with_hum.jobs() == [("examine", "succeeded")]
        found.append(made.checkpoint().report["examinations"]["test"])
    white, hummed = found
    assert (white["recordings"], hummed["recordings"]) == (False, True)
    assert white["noise"] != hummed["noise"]
    with made.db.write() as session:
        request_examination(session, made.checkpoint().id, "test", [-10], True, now=utcnow())
    assert made.jobs() == [("examine", "failed")]
    assert "AFTERLOOP_NOISE" in made.job(kind="examine").error["detail"]


def test_a_second_examination_replaces_the_first_of_its_split(make: Any) -> None:
    made = make(Scheme(CLASSES))
    made.round()
    for split, ratios in (("test", [10]), ("dev", []), ("test", [])):
        with made.db.write() as session:
            request_examination(session, made.checkpoint().id, split, ratios, now=utcnow())
        assert made.jobs() == [("examine", "succeeded")]
    found = made.checkpoint().report["examinations"]
    assert {split: one["noise"] for split, one in found.items()} == {"test": [], "dev": []}
    assert found["dev"]["clean"]["n"] == 12


def test_what_cannot_be_examined_is_refused(make: Any) -> None:
    made = make(Scheme(CLASSES))
    made.round()
    checkpoint = made.checkpoint()

    def refused(kind: type[Exception], says: str) -> None:
        with pytest.raises(kind, match=says), made.db.write() as session:
            request_examination(session, checkpoint.id, "dev", [], now=utcnow())

    with made.db.write() as session:
        session.execute(update(Clip).where(Clip.split == "dev").values(reference_label=None))
    refused(ConflictError, "no dev clip has a reference label")
    with made.db.write() as session:
        row = session.get_one(Checkpoint, checkpoint.id)
        row.report["scheme"]["classes"] = ["other", "names"]
        flag_modified(row, "report")
    refused(ConflictError, "answers in a former scheme")
    with made.db.write() as session:
        session.get_one(Checkpoint, checkpoint.id).kind = "encoder"
    refused(InvalidError, "only a classifier can be examined")


def test_a_checkpoint_of_a_former_scheme_makes_no_point(make: Any) -> None:
    made = make(Scheme(CLASSES))
    with made.db.write() as session:
        opened = open_round(session, made.project_id, now=utcnow()).id
    made.jobs()
    with made.db.write() as session:
        close_round(session, opened, now=utcnow())
        claim = queue.claim(session, "test", 60, now=utcnow())
    run_job(made.settings, made.db, claim)
    with made.db.write() as session:
        project = session.get_one(Project, made.project_id)
        project.scheme = project.scheme | {"classes": ["low", "high"]}
    assert made.jobs() == [("evaluate", "succeeded")]
    with made.db.read() as session:
        assert "answers in another scheme" in str(session.get_one(Round, opened).error)


def test_figures_of_a_round_are_those_of_the_science(make: Any) -> None:
    """The stored figures are what `evaluate` gives for the predictions the service itself hands out."""
    made = make(Scheme(CLASSES))
    made.round()
    with made.db.write() as session:
        request_predictions(session, made.project_id, None, "test", utcnow())
    made.jobs()
    with (made.settings.data / made.job(kind="predict").result["file"]).open() as file:
        said = {int(row["clip_id"]): row for row in csv.DictReader(file)}
    with made.db.read() as session:
        clips = session.scalars(select(Clip).where(Clip.split == "test").order_by(Clip.id)).all()
    truth = np.array([CLASSES.index(clip.reference_label) for clip in clips])
    shares = np.array([[float(said[clip.id][name]) for name in CLASSES] for clip in clips], dtype=np.float32)
    recall = [float((shares[truth == k].argmax(axis=1) == k).mean()) for k in range(2)]
    (point,) = made.points()
    assert point.uar == pytest.approx(np.mean(recall))
    assert point.figures["classes"]["per_class_recall"] == pytest.approx(recall)
