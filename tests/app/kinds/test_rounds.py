"""What the jobs of a round store: picks, questions, checkpoints and points of the curve."""

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from al_core.recipe import Recipe
from app.accounts.service import create_account
from app.annotations.schemas import SkipReason
from app.db import utcnow
from app.jobs import fine_tune
from app.jobs.acquire import interleave
from app.models import Arm, Assignment, Checkpoint, Clip, CurvePoint, GoldClip, Guess, Project, Role, Round
from app.rounds.service import close_round
from tests.app.kinds.conftest import REST, ROUND, SPEAKERS, Tones, truth
from tests.app.tones import CLASSES


def test_two_rounds_make_a_curve_of_two_independent_arms(tones: Tones) -> None:
    for _ in range(2):
        tones.open(control_size=4)
        assert tones.run() == ROUND
        tones.annotate()
        assert tones.run() == REST
    with tones.db.read() as session:
        points = session.scalars(select(CurvePoint).order_by(CurvePoint.id)).all()
        assert session.scalars(select(Checkpoint.arm).where(Checkpoint.promoted_at.is_not(None))).all() == ["strategy"]
        reports = session.scalars(select(Checkpoint.report).order_by(Checkpoint.id)).all()
        digests = [report["estimate_digest"] for report in reports]
    assert [(point.arm, point.n_labels, point.strategy) for point in points] == [
        ("strategy", 4, "margin"),
        ("control", 4, "random"),
        ("strategy", 8, "margin"),
        ("control", 8, "random"),
    ]
    assert all(0 <= point.uar <= 1 and point.seconds["train"] > 0 for point in points)
    first, _, second, _ = digests
    assert len(first) == 64 and first != second, "the estimate of a round is kept with its checkpoints"
    heard = [report.get("stop_set") for report in reports]
    assert (heard[1], heard[3]) == (None, None), "advice on stopping reads the strategy's arm alone"
    assert (heard[0]["n"], heard[0]["n_compared"], heard[0]["kappa"]) == (8, 0, None)
    assert (heard[2]["n"], heard[2]["n_compared"]) == (8, 8) and -1 <= heard[2]["kappa"] <= 1
    assert 0 < heard[0]["entropy"] <= 1 and 0.5 <= heard[0]["confidence"] <= 1
    assert heard[2]["entropy"] is None, "every clip of the pool is picked by now"


def test_no_dev_or_test_audio_shapes_a_checkpoint(tones: Tones, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: set[str | None] = set()

    def watched(*given: Any, **named: Any) -> Any:
        heard.update(clip.speaker for clip in (*given[4].clips, *given[6]))
        return fine_tune.fine_tune_itself(*given, **named)

    monkeypatch.setattr(fine_tune, "fine_tune_itself", fine_tune.fine_tune, raising=False)
    monkeypatch.setattr(fine_tune, "fine_tune", watched)
    tones.open(recipe=Recipe(layer=1, normalise_speakers=True))
    tones.run()
    tones.annotate()
    assert tones.run() == REST
    assert heard == set(SPEAKERS["train"])


def test_a_clip_both_arms_pick_is_asked_once_for_every_overlap(tones: Tones) -> None:
    turn = tones.open(batch_size=8, control_size=8, overlap=2)
    tones.run()
    with tones.db.read() as session:
        assignments = session.scalars(select(Assignment).order_by(Assignment.position)).all()
    assert [assignment.position for assignment in assignments] == list(range(16))
    assert [assignment.slot for assignment in assignments] == [0] * 8 + [1] * 8
    assert sorted(tones.picks(turn, "strategy")) == sorted(tones.picks(turn, "control"))


def test_the_queue_alternates_and_holds_the_promoted_checkpoints_guesses_where_annotators_see_them(
    tones: Tones,
) -> None:
    tones.open(control_size=0)
    tones.run()
    tones.annotate()
    tones.run()
    with tones.db.write() as session:
        session.get_one(Project, tones.project_id).annotating = {"preannotations": True}
        gold = session.scalars(select(Clip.id).where(Clip.split == "test")).first()
        now = {"project_id": tones.project_id, "created_at": utcnow()}
        session.add(GoldClip(clip_id=gold, use="gold", labels=["high"], dimensions={}, **now))
    turn = tones.open(batch_size=4, control_size=0)
    assert tones.run() == ROUND
    with tones.db.read() as session:
        rows = session.execute(
            select(Clip.id, Clip.speaker).join(Assignment, Assignment.clip_id == Clip.id)
            .where(Assignment.round_id == turn).order_by(Assignment.position)
        ).all()  # fmt: skip
        guesses = {guess.clip_id: guess for guess in session.scalars(select(Guess))}
        promoted = session.scalars(select(Checkpoint.id).where(Checkpoint.promoted_at.is_not(None))).one()
    assert sorted(guesses) == sorted([gold, *(clip_id for clip_id, _ in rows)])
    assert all(guess.checkpoint_id == promoted and guess.label in CLASSES for guess in guesses.values())
    assert all(sum(guess.probabilities.values()) == pytest.approx(1, abs=1e-3) for guess in guesses.values())
    speakers = [speaker for _, speaker in rows]
    longest = max(Counter(speakers).values())
    repeats = sum(one == two for one, two in pairwise(speakers))
    assert repeats == max(0, longest - (len(speakers) - longest) - 1)


def test_clips_the_other_arm_had_labelled_are_not_asked_again(tones: Tones) -> None:
    tones.open(batch_size=7, control_size=0)
    tones.run()
    tones.annotate()
    tones.run()
    turn = tones.open(batch_size=1, control_size=4)
    tones.run()
    picked = {*tones.picks(turn, "strategy"), *tones.picks(turn, "control")}
    with tones.db.read() as session:
        asked = session.scalars(select(Assignment.clip_id).where(Assignment.round_id == turn)).all()
    assert len(picked) >= 4 and len(asked) == 1 and set(asked) <= picked


def test_a_budget_that_does_not_reach_scales_both_arms_down(tones: Tones) -> None:
    with tones.db.write() as session:
        session.execute(update(Project).values(budget=3))
    turn = tones.open()
    tones.run()
    assert (len(tones.picks(turn, "strategy")), len(tones.picks(turn, "control"))) == (2, 1)


def test_clips_out_for_everybody_leave_the_pool_and_unanswered_ones_return(tones: Tones) -> None:
    with tones.db.write() as session:  # without a second one, nobody could be asked what the first cannot tell
        create_account(session, "another", Role.ANNOTATOR, utcnow())
    first = tones.open(batch_size=4, control_size=0)
    tones.run()
    tones.annotate(lambda clip: SkipReason.BAD_AUDIO if truth(clip) == "low" else SkipReason.UNSURE)
    with tones.db.write() as session:
        if session.get_one(Round, first).state == "annotating":
            close_round(session, first, now=utcnow())
        clips = {clip.id: truth(clip) for clip in session.scalars(select(Clip))}
    assert tones.run() == [("fine_tune", "succeeded")]
    bad = {clip_id for clip_id in tones.picks(first, "strategy") if clips[clip_id] == "low"}
    second = tones.open(batch_size=8, control_size=0)
    tones.run()
    assert set(tones.picks(second, "strategy")) == {i for i in _training(tones) if i not in bad}


def _training(tones: Tones) -> set[int]:
    with tones.db.read() as session:
        return set(session.scalars(select(Clip.id).where(Clip.split == "train")))


def test_interleaving_keeps_each_arms_order_and_names_a_shared_clip_once() -> None:
    merged = interleave({Arm.STRATEGY: [5, 3, 9], Arm.CONTROL: [3, 7]}, np.random.default_rng(0))
    assert sorted(merged) == [3, 5, 7, 9]
    assert [clip for clip in merged if clip in (5, 9)] == [5, 9]
    orders = {tuple(interleave({Arm.STRATEGY: [1], Arm.CONTROL: [2]}, np.random.default_rng(i))) for i in range(20)}
    assert orders == {(1, 2), (2, 1)}
