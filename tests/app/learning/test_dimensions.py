"""Dimensions in a round: learned, measured, predicted, and what cannot be measured."""

import csv
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from al_core.scheme import Dimension, Scheme
from app.checkpoints.service import request_examination
from app.curves.service import curve
from app.db import utcnow
from app.errors import InvalidError
from app.models import Clip, Round
from app.predictions.service import request_predictions
from app.rounds.service import close_round, open_round

CLASSES = ("high", "low")
AROUSAL = Dimension("arousal", 1, 5)


def test_a_scheme_of_dimensions_alone_goes_round_and_has_a_point_of_ccc(make: Any) -> None:
    made = make(Scheme((), (AROUSAL,)))
    assert made.round().state == "finished"
    (point,) = made.points()
    assert (point.uar, point.uar_low, point.uar_high, point.wa, point.macro_f1) == (None,) * 5
    (arousal,) = point.figures["dimensions"]
    assert (arousal["name"], arousal["n"], point.figures["classes"]) == ("arousal", 48, None)
    assert 0 < arousal["ccc_low"] <= arousal["ccc"] <= arousal["ccc_high"] <= 1
    assert made.checkpoint().report["dev_ccc"] > 0.5 and made.checkpoint().report["dev_uar"] is None
    with made.db.read() as session:
        shown = curve(session, made.project_id).points[0]
    assert shown.uar is None and shown.figures["dimensions"][0]["ccc"] == arousal["ccc"]


def test_classes_and_dimensions_are_learned_and_measured_together(make: Any) -> None:
    made = make(Scheme(CLASSES, (AROUSAL,)))
    made.round()
    (point,) = made.points()
    assert point.uar == point.figures["classes"]["uar"]
    assert point.figures["classes"]["names"] == list(CLASSES)
    assert set(point.figures["classes"]) >= {"ece", "ece_low", "wa_high", "macro_f1_low", "confusion"}
    assert point.figures["dimensions"][0]["name"] == "arousal"


def test_predictions_hold_the_values_of_dimensions(make: Any) -> None:
    made = make(Scheme((), (AROUSAL,)))
    made.round()
    with made.db.write() as session:
        request_predictions(session, made.project_id, None, "test", utcnow())
    assert made.jobs() == [("predict", "succeeded")]
    result = made.job(kind="predict").result
    with (made.settings.data / result["file"]).open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"clip_id", "dimension_arousal"} and len(rows) == 48
    values = [float(row["dimension_arousal"]) for row in rows]
    assert all(1 <= value <= 5 for value in values)
    assert result["dimensions"]["arousal"] == pytest.approx(np.mean(values), abs=1e-3) and result["classes"] == {}


def test_values_that_do_not_differ_teach_nothing_and_the_round_says_so(make: Any) -> None:
    made = make(Scheme((), (AROUSAL,)))
    _set_arousal(made, "train", 2.0)
    turn = made.round()
    assert turn.state == "finished" and made.points() == []
    assert "the 12 labels of the strategy arm give arousal fewer than two different values" in str(turn.error)


def test_test_values_that_do_not_differ_are_refused_before_a_round_and_before_an_examination(make: Any) -> None:
    made = make(Scheme((), (AROUSAL,)))
    made.round()
    _set_arousal(made, "test", 2.0)
    with pytest.raises(InvalidError, match="arousal is 2 in every test clip: the CCC"), made.db.write() as session:
        open_round(session, made.project_id, now=utcnow())
    with pytest.raises(InvalidError, match="arousal is 2 in every test clip"), made.db.write() as session:
        request_examination(session, made.checkpoint().id, "test", [], now=utcnow())


def test_test_values_that_stopped_to_differ_leave_no_point_but_the_reason(make: Any) -> None:
    made = make(Scheme((), (AROUSAL,)))
    with made.db.write() as session:
        opened = open_round(session, made.project_id, now=utcnow()).id
    made.jobs()
    _set_arousal(made, "test", 2.0)
    with made.db.write() as session:
        close_round(session, opened, now=utcnow())
    made.jobs()
    with made.db.read() as session:
        turn = session.get_one(Round, opened)
    assert turn.state == "finished" and made.points() == []
    assert "no learning-curve point: the test split has 48 values of arousal, no two that differ" in str(turn.error)


def _set_arousal(made: Any, split: str, value: float) -> None:
    with made.db.write() as session:
        for clip in session.scalars(select(Clip).where(Clip.split == split)):
            if clip.reference_dimensions is not None:
                clip.reference_dimensions = {"arousal": value}
