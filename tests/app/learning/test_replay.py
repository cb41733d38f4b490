"""Rounds drawn again from their receipts: the same bit for bit, or what keeps them from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select, update
from typer.testing import CliRunner

from al_core.encoders.tiny import build_tiny
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Margin
from app.cli import cli
from app.db import utcnow
from app.jobs.arms import as_runs, from_runs
from app.models import ArmReceipt, Checkpoint, Clip, Pick, Project, Round
from app.rounds.service import open_round, request_replay

SCHEME = Scheme(("high", "low"))


@pytest.fixture
def afterloop(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[..., Any]:
    """The command line over the test's own settings, in this process."""
    monkeypatch.setattr("app.settings.get_settings", lambda: settings)
    return lambda *words: CliRunner().invoke(cli, words)


@pytest.fixture
def made(make: Any) -> Any:
    """Two rounds: the first has no classifier to ask, the second, which waits for annotators, has one."""
    project = make(SCHEME, recipe=Recipe(layer=1, normalise_speakers=True))
    project.round(strategy=Margin(), batch_size=2, control_size=0)
    with project.db.write() as session:
        open_round(session, project.project_id, strategy=Margin(), batch_size=4, control_size=3, now=utcnow())
    assert project.jobs() == [("acquire", "succeeded")]
    return project


def _receipts(made: Any) -> dict[tuple[int, str], ArmReceipt]:
    with made.db.read() as session:
        rows = session.execute(select(Round.number, ArmReceipt).join(ArmReceipt, ArmReceipt.round_id == Round.id))
        return {(number, one.arm): one for number, one in rows}


def _picks(made: Any, receipt: ArmReceipt) -> list[Pick]:
    with made.db.read() as session:
        own = select(Pick).where(Pick.round_id == receipt.round_id, Pick.arm == receipt.arm)
        return list(session.scalars(own.order_by(Pick.rank)))


def test_a_round_is_drawn_again_bit_for_bit_whatever_moved_on_and_what_it_lacks_is_named(
    made: Any, afterloop: Any, tmp_path: Path
) -> None:  # one project for both, as it takes two rounds to make
    _same_though_everything_moved_on(made, afterloop)
    _named_when_it_cannot_be(made, afterloop, tmp_path)


def _same_though_everything_moved_on(made: Any, afterloop: Any) -> None:
    receipts = _receipts(made)
    assert sorted(receipts) == [(0, "strategy"), (1, "control"), (1, "strategy")]
    cold, asked, control = receipts[0, "strategy"], receipts[1, "strategy"], receipts[1, "control"]
    assert (cold.predictions_digest, control.predictions_digest) == (None, None)
    assert (control.strategy["kind"], asked.strategy["kind"]) == ("random", "margin")
    assert (cold.pool_size, cold.n_labelled, asked.size, control.size) == (12, 12, 4, 3)
    assert cold.digest == control.digest != asked.digest, "nobody answered in between, and a classifier was trained"
    with made.db.read() as session:
        assert asked.checkpoint_labels_digest == session.get_one(Checkpoint, asked.checkpoint_id).labels_digest
        known = (Clip.split == "train", Clip.reference_label.is_not(None))
        labelled = set(session.scalars(select(Clip.id).where(*known)))
    for pick in _picks(made, asked):
        (first, p), (second, q) = pick.guess
        assert {first, second} == {"high", "low"}
        assert 1 - (p - q) == pytest.approx(pick.score, abs=2e-4), "the margin it was chosen by"
        assert pick.nearest_clip_id in labelled and pick.nearest_distance >= 0
        assert 1 <= pick.cluster_size <= asked.pool_size
    assert all(pick.guess is None for pick in _picks(made, control))

    with made.db.write() as session:  # more labels, more clips to train on, other classes, another strategy
        session.execute(
            update(Clip).where(Clip.split == "train", Clip.reference_label.is_(None)).values(reference_label="low")
        )
        session.execute(update(Clip).where(Clip.split == "dev").values(split="train"))
        project = session.get_one(Project, made.project_id)
        project.scheme = {"classes": ["low", "mid", "high"], "dimensions": []}
        project.strategy = {"kind": "badge"}
        job = request_replay(session, asked.round_id, now=utcnow())
    assert job.round_id is None, "a replay that ends badly must not end its round"
    assert made.jobs() == [("replay", "succeeded")]
    result = made.job(kind="replay").result
    assert result["same"], result["sentence"]
    assert result["arms"] == [
        {"arm": "strategy", "picks": 4, "same": True, "differs": []},
        {"arm": "control", "picks": 3, "same": True, "differs": []},
    ]
    told = afterloop("round", "replay", "tones", "--round", "0")
    sentence = "round 0 gives the same batch bit for bit: 2 of the strategy arm"
    assert (told.exit_code, told.output.strip()) == (0, sentence)


def _named_when_it_cannot_be(made: Any, afterloop: Any, tmp_path: Path) -> None:
    receipt = _receipts(made)[1, "strategy"]
    worst = _picks(made, receipt)[-1]

    def told() -> str:
        answer = afterloop("round", "replay", "tones")
        assert answer.exit_code == 2, answer.output
        return " ".join(answer.output.split())

    with made.db.write() as session:
        session.execute(update(Pick).where(Pick.id == worst.id).values(score=np.nextafter(worst.score, 2)))
        folder = made.settings.data / session.get_one(Checkpoint, receipt.checkpoint_id).folder
    assert f"strategy arm: rank 4 was clip {worst.clip_id}" in told()
    assert "though it was drawn from the same" in told()
    assert "control arm" not in told()

    aside = folder.rename(tmp_path / "aside")
    assert f"checkpoint {receipt.checkpoint_id} cannot be opened" in told()
    aside.rename(folder)

    with made.db.write() as session:
        kept = session.get_one(ArmReceipt, (receipt.round_id, "strategy"))
        kept.labelled = kept.labelled | {"classes": [1 - one for one in kept.labelled["classes"]]}
        kept.labels_digest = "another"
    assert "the labelled clips are others" in told()

    with made.db.write() as session:
        picked = set(session.scalars(select(Pick.clip_id)))
        left = select(Clip.id).where(Clip.id.not_in(picked | set(kept.labelled["ids"])), Clip.id <= kept.newest_clip_id)
        session.execute(delete(Clip).where(Clip.id == session.scalars(left).first()))
    assert "strategy arm: 1 of the 12 clips of the pool are gone" in told()

    other = build_tiny("whisper", tmp_path / "other", width=16, n_layers=2, seed=5)
    with made.db.write() as session:
        session.get_one(Project, made.project_id).encoder = str(other)
    assert "the encoder of digest" in told() and "is gone" in told()


def test_runs_of_clips_give_the_same_clips_back() -> None:
    training = [1, 2, 3, 7, 8, 11, 20]
    for members in ([], [1], [2, 3, 7], [1, 3, 8, 20], training):
        runs = as_runs(members, training)
        assert from_runs(runs, training) == set(members)
    assert as_runs([2, 3, 7, 20], training) == [[2, 7], [20, 20]], "a run goes on over ids of other splits"
