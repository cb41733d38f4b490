"""The kinds of jobs, run here on a tiny encoder: what they store, and how they end when they cannot go on."""

import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select, update

from al_core.encoders.tiny import build_tiny
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Margin
from app.accounts.service import create_account
from app.adaptation.service import adapt
from app.annotations import leases, service
from app.annotations.schemas import SkipReason
from app.clips.ingest import check_audio
from app.clips.service import Particulars, add_clip
from app.db import Database, utcnow
from app.jobs import fine_tune, queue
from app.jobs.acquire import interleave
from app.jobs.child import run_job
from app.models import Arm, Assignment, Checkpoint, Clip, CurvePoint, GoldClip, Guess, Job, Pick, Project, Role, Round
from app.projects.service import create_project
from app.rounds.service import close_round, open_round, retry_round
from app.settings import Settings
from app.storage import Storage
from tapt.promotion import Guard
from tapt.recipe import MaskedUnits, TaptRecipe

CLASSES = ("high", "low")
SPEAKERS = {"train": ("a", "b"), "dev": ("c",), "test": ("d", "e")}
CLIPS_A_SPEAKER = 4


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("whisper", tmp_path_factory.mktemp("encoder"), width=16, n_layers=2)


@pytest.fixture
def project(database: Database, settings: Settings, encoder: Path, tmp_path: Path) -> int:
    """Eight training clips of two speakers, four dev and eight test clips, in two classes of pitch."""
    with database.write() as session:
        made = create_project(
            session,
            name="tones",
            scheme=Scheme(CLASSES),
            encoder=str(encoder),
            recipe=Recipe(layer=1),
            strategy=Margin(),
            batch_size=4,
            control_share=0.5,
            now=utcnow(),
        )
    storage, rng = Storage(settings.blobs), np.random.default_rng(0)
    for split, speakers in SPEAKERS.items():
        for name in (f"{speaker}-{number}" for speaker in speakers for number in range(CLIPS_A_SPEAKER)):
            label = CLASSES[int(name[-1]) % 2]
            tone = np.sin(2 * np.pi * (900 if label == "high" else 150) * np.arange(6_400) / 16_000)
            path = tmp_path / f"{name}.wav"
            soundfile.write(path, 0.3 * tone + 0.05 * rng.standard_normal(len(tone)), 16_000)
            checked = check_audio(storage, path, storage.put(path), 0.0, None, 30)
            known = None if split == "train" else label
            said = Particulars(speaker=name[0], split=split, external_id=name, reference_label=known)
            with database.write() as session:
                add_clip(session, made.id, checked, said, utcnow())
    return made.id


@pytest.fixture
def run(database: Database, settings: Settings) -> Callable[[], list[tuple[str, str]]]:
    """Run every job that waits, and those they queue; returns their kinds and how they ended."""

    def everything() -> list[tuple[str, str]]:
        ended = []
        while True:
            with database.write() as session:
                claim = queue.claim(session, "test", 60, now=utcnow())
            if claim is None:
                return ended
            run_job(settings, database, claim)
            with database.read() as session:
                ended.append((claim.kind, session.get_one(Job, claim.job_id).state))

    return everything


def _open(database: Database, project: int, **given: Any) -> int:
    with database.write() as session:
        return open_round(session, project, now=utcnow(), **given).id


def _annotate(database: Database, project: int, say: Callable[[Clip], str | SkipReason]) -> int:
    """Answer everything that waits; returns how many clips that was."""
    with database.write() as session:
        name = f"annotator {session.scalar(select(func.count()).select_from(Assignment))} {utcnow()}"
        account = create_account(session, name, Role.ANNOTATOR, utcnow())[0].id
        held = leases.claim(session, project, account, 100, 60, now=utcnow())
        for lease in held:
            said = say(session.get_one(Clip, lease.clip_id))
            skip = said if isinstance(said, SkipReason) else None
            given = service.Answer(lease.id, None if skip else str(said), skip, None, None)
            service.answer(session, given, account, str(lease.id), now=utcnow())
    return len(held)


def _truth(clip: Clip) -> str:
    return CLASSES[int(str(clip.external_id)[-1]) % 2]


def _round(database: Database, round_id: int) -> Round:
    with database.read() as session:
        return session.get_one(Round, round_id)


def _picks(database: Database, round_id: int, arm: str) -> list[int]:
    with database.read() as session:
        of_arm = (Pick.round_id == round_id, Pick.arm == arm)
        return list(session.scalars(select(Pick.clip_id).where(*of_arm).order_by(Pick.rank)))


ROUND = [("acquire", "succeeded")]
REST = [("fine_tune", "succeeded"), ("evaluate", "succeeded")]


def test_two_rounds_make_a_curve_of_two_independent_arms(database: Database, project: int, run: Any) -> None:
    for _ in range(2):
        _open(database, project, control_size=4)
        assert run() == ROUND
        _annotate(database, project, _truth)
        assert run() == REST
    with database.read() as session:
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


def test_no_dev_or_test_audio_shapes_a_checkpoint(
    database: Database, project: int, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: set[str | None] = set()

    def watched(*given: Any, **named: Any) -> Any:
        heard.update(clip.speaker for clip in (*given[4].clips, *given[6]))
        return fine_tune.fine_tune_itself(*given, **named)

    monkeypatch.setattr(fine_tune, "fine_tune_itself", fine_tune.fine_tune, raising=False)
    monkeypatch.setattr(fine_tune, "fine_tune", watched)
    _open(database, project, recipe=Recipe(layer=1, normalise_speakers=True))
    run()
    _annotate(database, project, _truth)
    assert run() == REST
    assert heard == set(SPEAKERS["train"])


def test_a_clip_both_arms_pick_is_asked_once_for_every_overlap(database: Database, project: int, run: Any) -> None:
    turn = _open(database, project, batch_size=8, control_size=8, overlap=2)
    run()
    with database.read() as session:
        assignments = session.scalars(select(Assignment).order_by(Assignment.position)).all()
    assert [assignment.position for assignment in assignments] == list(range(16))
    assert [assignment.slot for assignment in assignments] == [0] * 8 + [1] * 8
    assert sorted(_picks(database, turn, "strategy")) == sorted(_picks(database, turn, "control"))


def test_the_queue_alternates_and_holds_the_promoted_checkpoints_guesses_where_annotators_see_them(
    database: Database, project: int, run: Any
) -> None:
    _open(database, project, control_size=0)
    run()
    _annotate(database, project, _truth)
    run()
    with database.write() as session:
        session.get_one(Project, project).annotating = {"preannotations": True}
        gold = session.scalars(select(Clip.id).where(Clip.split == "test")).first()
        now = {"project_id": project, "created_at": utcnow()}
        session.add(GoldClip(clip_id=gold, use="gold", labels=["high"], dimensions={}, **now))
    turn = _open(database, project, batch_size=4, control_size=0)
    assert run() == ROUND
    with database.read() as session:
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


def test_clips_the_other_arm_had_labelled_are_not_asked_again(database: Database, project: int, run: Any) -> None:
    _open(database, project, batch_size=7, control_size=0)
    run()
    _annotate(database, project, _truth)
    run()
    turn = _open(database, project, batch_size=1, control_size=4)
    run()
    picked = {*_picks(database, turn, "strategy"), *_picks(database, turn, "control")}
    with database.read() as session:
        asked = session.scalars(select(Assignment.clip_id).where(Assignment.round_id == turn)).all()
    assert len(picked) >= 4 and len(asked) == 1 and set(asked) <= picked


def test_a_budget_that_does_not_reach_scales_both_arms_down(database: Database, project: int, run: Any) -> None:
    with database.write() as session:
        session.execute(update(Project).values(budget=3))
    turn = _open(database, project)
    run()
    assert (len(_picks(database, turn, "strategy")), len(_picks(database, turn, "control"))) == (2, 1)


def test_an_empty_pool_fails_the_round_and_says_what_to_do(database: Database, project: int, run: Any) -> None:
    _open(database, project, batch_size=8, control_size=0)
    run()
    _annotate(database, project, _truth)
    run()
    turn = _open(database, project)
    assert run() == [("acquire", "failed")]
    assert _round(database, turn).state == "failed"
    assert "PoolEmptyError: no training clip is left to pick" in str(_round(database, turn).error)


def test_clips_out_for_everybody_leave_the_pool_and_unanswered_ones_return(
    database: Database, project: int, run: Any
) -> None:
    with database.write() as session:  # without a second one, nobody could be asked what the first cannot tell
        create_account(session, "another", Role.ANNOTATOR, utcnow())
    first = _open(database, project, batch_size=4, control_size=0)
    run()
    _annotate(database, project, lambda clip: SkipReason.BAD_AUDIO if _truth(clip) == "low" else SkipReason.UNSURE)
    with database.write() as session:
        if session.get_one(Round, first).state == "annotating":
            close_round(session, first, now=utcnow())
        clips = {clip.id: _truth(clip) for clip in session.scalars(select(Clip))}
    assert run() == [("fine_tune", "succeeded")]
    bad = {clip_id for clip_id in _picks(database, first, "strategy") if clips[clip_id] == "low"}
    second = _open(database, project, batch_size=8, control_size=0)
    run()
    assert set(_picks(database, second, "strategy")) == {i for i in _training(database) if i not in bad}


def _training(database: Database) -> set[int]:
    with database.read() as session:
        return set(session.scalars(select(Clip.id).where(Clip.split == "train")))


def test_labels_of_one_class_finish_the_round_without_a_checkpoint(database: Database, project: int, run: Any) -> None:
    turn = _open(database, project)
    run()
    _annotate(database, project, lambda _: "high")
    assert run() == [("fine_tune", "succeeded")]
    assert _round(database, turn).state == "finished"
    assert "the 4 labels of the strategy arm name fewer than two classes" in str(_round(database, turn).error)


@pytest.mark.parametrize(
    ("keep", "reason"), [(None, "no test clip has a reference label"), ("high", "the test split has no clip of low")]
)
def test_a_test_split_that_cannot_be_evaluated_leaves_no_point_but_the_reason(
    database: Database, project: int, run: Any, keep: str | None, reason: str
) -> None:
    with database.write() as session:
        gone = (Clip.split == "test", Clip.reference_label.is_distinct_from(keep))
        session.execute(update(Clip).where(*gone).values(reference_label=None))
    turn = _open(database, project)
    run()
    _annotate(database, project, _truth)
    assert run() == REST
    finished = _round(database, turn)
    assert finished.state == "finished" and reason in str(finished.error)
    with database.read() as session:
        assert session.scalars(select(CurvePoint)).all() == []
        assert session.scalars(select(Checkpoint.arm).where(Checkpoint.promoted_at.is_not(None))).all() == ["strategy"]


def test_a_mended_encoder_lets_a_failed_round_be_retried(
    database: Database, project: int, run: Any, encoder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(encoder, broken)
    (broken / "model.safetensors").unlink()
    with database.write() as session:
        session.execute(update(Project).values(encoder=str(broken)))
    turn = _open(database, project)
    assert run() == [("acquire", "failed")]
    assert "EncoderError" in str(_round(database, turn).error)
    shutil.copy(encoder / "model.safetensors", broken)
    with database.write() as session:
        retry_round(session, turn, now=utcnow())
    assert run() == ROUND
    assert _round(database, turn).state == "annotating"


def test_a_round_cancelled_while_its_job_runs_is_left_alone(
    database: Database, project: int, settings: Settings
) -> None:
    turn = _open(database, project)
    with database.write() as session:
        claim = queue.claim(session, "test", 60, now=utcnow())
        session.execute(update(Round).values(state="cancelled"))
    assert claim is not None
    run_job(settings, database, claim)
    with database.read() as session:
        job = session.get_one(Job, claim.job_id)
        assert session.scalars(select(Pick)).all() == []
    assert job.state == "failed"
    assert job.error is not None and job.error["name"] == "RoundMovedError"
    assert _round(database, turn).state == "cancelled"


def test_a_holder_that_lost_its_lease_stores_nothing(database: Database, project: int, settings: Settings) -> None:
    turn = _open(database, project)
    with database.write() as session:
        claim = queue.claim(session, "test", 60, now=utcnow())
        session.execute(update(Job).values(fence=Job.fence + 1))
    assert claim is not None
    run_job(settings, database, claim)
    with database.read() as session:
        assert session.get_one(Job, claim.job_id).state == "running"
        assert session.scalars(select(Pick)).all() == []
    assert _round(database, turn).state == "acquiring"


def test_tapt_uses_the_training_clips_there_were_and_the_project_uses_its_encoder(
    database: Database, project: int, run: Any
) -> None:
    recipe = TaptRecipe(MaskedUnits(units=4), steps=2)
    with database.write() as session:
        adapt(session, project, recipe, Guard("never"), now=utcnow())
    assert run() == [("adapt", "succeeded")]
    with database.read() as session:
        checkpoint = session.scalars(select(Checkpoint)).one()
        assert session.get_one(Project, project).encoder_checkpoint_id is None
    assert (checkpoint.kind, checkpoint.report["clips"], checkpoint.report["steps"]) == ("encoder", 8, 2)
    with database.write() as session:
        adapt(session, project, recipe, Guard("always"), now=utcnow())
    assert run() == [("adapt", "succeeded"), ("embed", "succeeded")]
    with database.read() as session:
        assert session.get_one(Project, project).encoder_checkpoint_id is not None
        embedded = session.scalars(select(Job).where(Job.kind == "embed")).one().result
    assert embedded is not None and embedded["encoder_digest"] == checkpoint.encoder_digest


def test_rounds_go_on_after_the_encoder_was_adapted(database: Database, project: int, run: Any) -> None:
    _open(database, project, batch_size=4)
    run()
    _annotate(database, project, _truth)
    run()
    with database.write() as session:
        adapt(session, project, TaptRecipe(MaskedUnits(units=4), steps=2), Guard("always"), now=utcnow())
    run()
    turn = _open(database, project, batch_size=2)
    run()
    _annotate(database, project, _truth)
    assert run() == REST
    with database.read() as session:
        digests = session.scalars(select(Checkpoint.encoder_digest).where(Checkpoint.arm == "strategy")).all()
    assert len(set(digests)) == 2
    assert _round(database, turn).encoder_digest == digests[1]


def test_embedding_computes_only_what_is_missing(database: Database, project: int, run: Any) -> None:
    counts = []
    for _ in range(2):
        with database.write() as session:
            job = queue.enqueue(session, "embed", project, now=utcnow()).id
        run()
        with database.read() as session:
            counts.append(session.get_one(Job, job).result["embedded"])
    assert counts == [20, 0]


def test_interleaving_keeps_each_arms_order_and_names_a_shared_clip_once() -> None:
    merged = interleave({Arm.STRATEGY: [5, 3, 9], Arm.CONTROL: [3, 7]}, np.random.default_rng(0))
    assert sorted(merged) == [3, 5, 7, 9]
    assert [clip for clip in merged if clip in (5, 9)] == [5, 9]
    orders = {tuple(interleave({Arm.STRATEGY: [1], Arm.CONTROL: [2]}, np.random.default_rng(i))) for i in range(20)}
    assert orders == {(1, 2), (2, 1)}
