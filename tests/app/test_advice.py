"""Advice on stopping over HTTP and on the command line, from rows; and which clips make the stop set."""

from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli import cli
from app.cli import opening as cli_opening
from app.db import utcnow
from app.jobs.stop_set import choose_stop_set
from app.models import Annotation, Checkpoint, Clip, CurvePoint, Pick, Round
from app.settings import Settings

RISING = (0.45, 0.55, 0.605, 0.625, 0.66, 0.672)
FLAT = (0.5, 0.69, 0.712, 0.709, 0.711, 0.710, 0.709, 0.711)


def _rounds(api: Any, project: int, heights: tuple[float, ...], **changed: Any) -> None:
    """A finished round with a point of the strategy for each height, 50 labels apart; `changed` by round's number."""
    with api.db.write() as session:
        for number, height in enumerate(heights):
            turn = Round(
                project_id=project,
                number=number,
                state="finished",
                strategy={},
                recipe=changed.get("recipe", {}).get(number, {}),
                seed=0,
                batch_size=50,
                control_size=0,
                overlap=1,
                created_at=utcnow(),
            )
            session.add(turn)
            session.flush()
            report = {"stop_set": {"kappa": 0.9 + 0.01 * number if number else None, "entropy": 0.9 - 0.1 * number}}
            checkpoint = Checkpoint(
                project_id=project,
                round_id=turn.id,
                arm="strategy",
                kind="classifier",
                folder=f"{project}-{number}",
                encoder_digest="0",
                recipe={},
                report=report,
                created_at=utcnow(),
            )
            session.add(checkpoint)
            session.flush()
            uar = {"uar": height, "uar_low": height - 0.04, "uar_high": height + 0.04}
            found = [{"name": "arousal", "ccc": height, "ccc_low": height - 0.1, "ccc_high": height + 0.1}]
            session.add(
                CurvePoint(
                    project_id=project,
                    round_id=turn.id,
                    arm="strategy",
                    checkpoint_id=checkpoint.id,
                    n_labels=50 * (number + 1),
                    minutes=1.0,
                    figures={"n": 9, "dimensions": found},
                    strategy="margin",
                    seed=0,
                    seconds={},
                    created_at=utcnow(),
                    **({} if changed.get("dimensions_alone") else uar),
                )
            )


def _fill(api: Any, project: int, wav: bytes, n: int) -> None:
    """n training clips of three seconds, cut from the same file."""
    first = api.upload(project, wav).json()["id"]
    with api.db.write() as session:
        one = session.get_one(Clip, first)
        for k in range(1, n):
            session.add(_window(one, 0.001 * k, 3 + 0.001 * k))


def _window(one: Clip, start_s: float, end_s: float) -> Clip:
    same = ("project_id", "asset_sha256", "playback_sha256", "playback_type", "split", "peaks", "created_at")
    return Clip(start_s=start_s, end_s=end_s, **{name: getattr(one, name) for name in same})


def test_a_rising_curve_is_worth_a_batch_with_gain_price_and_four_criteria(api: Any, wav_bytes: Any) -> None:
    project = api.project(batch_size=40)
    _fill(api, project, wav_bytes(seconds=3.0), 60)
    _rounds(api, project, RISING)
    found = api.get(f"/projects/{project}/advice", "viewer").json()
    assert (found["verdict"], found["measure"], found["first_round"], found["n_points"]) == ("worth it", "UAR", 0, 6)
    assert found["gain"]["n_labels"] == 40
    assert 0 <= found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]
    assert (found["minutes"], found["time"]) == (pytest.approx(40 * 3 / 60), "listening")
    assert found["sentence"].startswith("Worth it: about +")
    assert "for 40 more labels, about 2 minutes of listening. The next measurement may show " in found["sentence"]
    assert [(one["name"], one["verdict"]) for one in found["criteria"]] == [
        ("expected gain", "go on"),
        ("plateau", "go on"),
        ("stabilising predictions", "go on"),
        ("confidence", "go on"),
    ]
    assert found["criteria"][2]["figures"]["kappa"] == pytest.approx(0.94)
    assert 0.6 < found["law"]["ceiling"] <= 1


def test_what_is_asked_about_and_what_is_worth_it_can_be_said(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    _fill(api, project, wav_bytes(seconds=3.0), 60)
    _rounds(api, project, RISING)
    path = f"/projects/{project}/advice"
    few, many = (api.get(path, params={"labels": n}).json() for n in (5, 1000))
    assert (few["gain"]["n_labels"], many["gain"]["n_labels"]) == (5, 60), "no more than the pool has"
    assert few["gain"]["value"] < many["gain"]["value"]
    strict = api.get(path, params={"worth": 0.5}).json()
    assert (strict["verdict"], strict["worth"]) == ("stop", 0.5)
    for refused in ({"labels": 0}, {"worth": 0}, {"worth": "nan"}, {"worth": 2}):
        assert api.get(path, params=refused).status_code == 422


def test_a_flat_curve_a_spent_budget_and_an_empty_pool_say_stop(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    _rounds(api, project, FLAT)
    path = f"/projects/{project}/advice"
    assert api.get(path).json()["sentence"] == "Stop: every clip that may be labelled is."
    _fill(api, project, wav_bytes(seconds=3.0), 60)
    flat = api.get(path).json()
    assert flat["verdict"] == "stop" and flat["sentence"].startswith("Stop now: ")
    with api.db.write() as session:
        turn = session.scalars(select(Round).where(Round.project_id == project)).first()
        clips = session.scalars(select(Clip.id).where(Clip.project_id == project)).all()
        session.add_all(Pick(round_id=turn.id, arm="strategy", clip_id=i, rank=i, score=0) for i in clips[:50])
    assert api.get(path).json()["gain"]["n_labels"] == 10, "clips the strategy has picked are no pool"
    api.call("PATCH", f"/projects/{project}", json={"budget": 0})
    assert api.get(path).json()["sentence"] == "Stop: the budget is spent."


def test_rounds_before_a_new_recipe_are_another_curve(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    _fill(api, project, wav_bytes(seconds=3.0), 9)
    _rounds(api, project, RISING, recipe={number: {"layer": 2} for number in (3, 4, 5)})
    found = api.get(f"/projects/{project}/advice").json()
    assert (found["verdict"], found["first_round"], found["n_points"]) == ("too early", 3, 3)
    assert (found["gain"], found["law"]) == (None, None)
    assert "needs 4 rounds" in found["sentence"]


def test_dimensions_alone_are_measured_by_ccc(api: Any, wav_bytes: Any) -> None:
    scale = [{"name": "arousal", "low": 1, "high": 5}]
    project = api.project(classes=[], dimensions=scale, strategy="greedy_x")
    _fill(api, project, wav_bytes(seconds=3.0), 60)
    _rounds(api, project, RISING, dimensions_alone=True)
    found = api.get(f"/projects/{project}/advice").json()
    assert (found["measure"], found["verdict"], found["n_points"]) == ("mean CCC", "worth it", 6)
    assert "of mean CCC" in found["sentence"]


def test_recorded_seconds_are_the_price_where_there_are_any(api: Any, annotating: Any, person: Any) -> None:
    made = annotating(api.db, clips=2, overlap=2)
    path = f"/projects/{made.project_id}/advice"
    assert api.get(path).json()["time"] == "listening"
    for name in ("ann", "ben"):
        one = person(name)
        for lease in one.lease(made.project_id, 2):
            assert one.say(lease, seconds=6.0).status_code in (200, 201)
    with api.db.write() as session:
        assert len(session.scalars(select(Annotation.id)).all()) == 4
        first = session.scalars(select(Clip.id)).first()
        session.add_all(_window(session.get_one(Clip, first), 0.0, 1.5 + k) for k in (1, 2))
    found = api.get(path, params={"labels": 2}).json()
    assert (found["time"], found["minutes"]) == ("annotators' time", pytest.approx(2 * 12 / 60))


def test_a_project_without_a_round_is_too_early_and_strangers_get_nothing(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    _fill(api, project, wav_bytes(seconds=3.0), 2)
    found = api.get(f"/projects/{project}/advice").json()
    assert (found["verdict"], found["first_round"], found["n_points"]) == ("too early", None, 0)
    assert api.get("/projects/999/advice").status_code == 404
    assert api.get(f"/projects/{project}/advice", None).status_code == 401


def test_the_command_prints_the_sentence_and_the_criteria(
    api: Any, wav_bytes: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = api.project()
    _fill(api, project, wav_bytes(seconds=3.0), 60)
    _rounds(api, project, RISING)
    monkeypatch.setattr(cli_opening, "get_settings", lambda: settings)
    said = CliRunner().invoke(cli, ["project", "advice", "calls", "--labels", "20"], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    assert said.output.startswith("Worth it: about +") and "for 20 more labels" in said.output
    assert all(name in said.output for name in ("plateau", "stabilising predictions", "confidence"))
    strict = CliRunner().invoke(cli, ["project", "advice", "calls", "--worth", "50"])
    assert strict.output.startswith("Stop now: ")
    assert CliRunner().invoke(cli, ["project", "advice", "calls", "--worth", "0"]).exit_code == 2


def test_the_stop_set_is_fixed_by_the_seed_and_clips_that_come_later_replace_few() -> None:
    first = choose_stop_set(list(range(1, 501)), seed=3, size=100)
    assert first == choose_stop_set(list(range(500, 0, -1)), seed=3, size=100) == sorted(first)
    assert first != choose_stop_set(list(range(1, 501)), seed=4, size=100)
    later = choose_stop_set(list(range(1, 551)), seed=3, size=100)
    assert len(set(first) & set(later)) >= 80
    assert choose_stop_set([5, 3], seed=0) == [3, 5]
