"""A round whose recipe has a finish: both classifiers are stored and measured, and the round says which is kept."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.semi_supervised.specs import PseudoLabels
from al_core.strategies.specs import Margin
from app.cli import cli
from app.db import utcnow
from app.jobs.replay import replay_here
from app.models import ArmReceipt, Checkpoint, Round
from app.rounds.service import cancel_round, open_round

SCHEME = Scheme(("high", "low"))


def test_a_finish_is_compared_on_dev_and_both_classifiers_are_measured_on_test(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(SCHEME, recipe=Recipe(layer=1, finish=PseudoLabels(iterations=1)))
    turn = made.round()
    assert turn.state == "finished", turn.error
    assert turn.warnings == [], "what a finish was worth is nothing to act on"
    told = made.checkpoint().report["finish"]
    assert made.checkpoint().report["notes"] == [told["sentence"]]
    monkeypatch.setattr("app.cli.opening.get_settings", lambda: made.settings)
    listed = CliRunner(env={"COLUMNS": "400"}).invoke(cli, ["checkpoint", "list", "tones"])
    assert told["sentence"] in listed.output
    assert told["measured_on"] == "dev" and told["n_believed"] == 12  # the unlabelled half of the training clips
    assert (made.settings.data / told["other"] / "manifest.json").is_file()
    kept = told["test"]["uar_with" if told["kept"] == "with" else "uar_without"]
    assert kept == pytest.approx(made.points()[0].uar)
    assert made.checkpoint().report["dev_uar"] == max(told["uar_with"], told["uar_without"])


def test_strategies_ask_the_classifier_that_learnt_from_labels_alone(make: Any, tmp_path: Path) -> None:
    made = make(SCHEME, recipe=Recipe(layer=1, finish=PseudoLabels(iterations=1)))
    made.round()
    row = made.checkpoint()
    told = row.report["finish"]
    taught, alone = (row.folder, told["other"]) if told["kept"] == "with" else (told["other"], row.folder)
    with_finish = row.report | {"finish": told | {"kept": "with", "other": alone}}
    of_before = {name: value for name, value in row.report.items() if name != "finish"}

    kept_was_asked = _acquired(made, taught, of_before)  # as rounds were drawn once, whatever was kept
    labels_alone = _acquired(made, alone, of_before)
    asked = _acquired(made, taught, with_finish)
    assert asked.pool_digest == labels_alone.pool_digest == kept_was_asked.pool_digest
    assert asked.predictions_digest == labels_alone.predictions_digest != kept_was_asked.predictions_digest
    for receipt in (asked, kept_was_asked):
        with made.db.read() as session:
            turn = session.get_one(Round, receipt.round_id)
        found = replay_here(made.settings, made.db, turn)
        assert found.same, found.sentence
        assert found.arms[0].differs == ()

    (made.settings.data / alone).rename(tmp_path / "aside")
    with made.db.read() as session:
        asked_the_kept = replay_here(made.settings, made.db, session.get_one(Round, kept_was_asked.round_id))
        asked_the_other = replay_here(made.settings, made.db, session.get_one(Round, asked.round_id))
    assert asked_the_kept.same, asked_the_kept.sentence
    assert not asked_the_other.same
    with made.db.write() as session:
        open_round(session, made.project_id, strategy=Margin(), batch_size=4, control_size=0, now=utcnow())
    assert made.jobs() == [("acquire", "failed")]
    error = made.job(kind="acquire").error
    assert error["name"] == "CheckpointError" and alone in error["detail"]


def _acquired(made: Any, folder: str, report: dict[str, Any]) -> ArmReceipt:
    """The receipt of a round that was drawn while the checkpoint had this folder and report, and then cancelled."""
    with made.db.write() as session:
        row = session.get_one(Checkpoint, made.checkpoint().id)
        row.folder, row.report = folder, report
        turn = open_round(session, made.project_id, strategy=Margin(), batch_size=4, control_size=0, now=utcnow()).id
    assert made.jobs() == [("acquire", "succeeded")]
    with made.db.write() as session:
        cancel_round(session, turn, now=utcnow())
    with made.db.read() as session:
        return session.scalars(select(ArmReceipt).where(ArmReceipt.round_id == turn)).one()
