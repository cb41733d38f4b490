"""TAPT's jobs on a tiny encoder: the guard between an adapted encoder and the project, and runs that are broken off."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import select

from al_core.encoders import open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.recipe import Recipe, recipe_to_dict, standard_recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Random
from app.adaptation.overview import notes_on
from app.adaptation.service import adapt, request_verdict, resume
from app.db import Database, utcnow
from app.jobs import adapt as adapting
from app.jobs.tapt_progress import progress_of
from app.models import Assignment, Checkpoint, Clip, Job, JobEvent, Project, Round
from app.projects.service import create_project
from app.rounds.service import open_round
from app.settings import Settings
from tapt.heard import read_heard, write_heard
from tapt.promotion import Guard
from tapt.recipe import Contrastive, LastBlocks, LocalAttributes, MaskedUnits, TaptRecipe
from tapt.report import TaptReport
from tests.app.tones import CLASSES, add_tones, run_waiting

SPEAKERS = {"train": "ab", "dev": "cdef", "test": "g"}
CLIPS_A_SPEAKER = 4
RECIPE = TaptRecipe(MaskedUnits(units=4), steps=4, seconds_per_step=1, checkpoint_every=1)
FEW = 8  # labels are enough here
Run = Callable[[], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory, upgraded: Path) -> str:
    """SQLite alone: these jobs write as those of `kinds` do, which run on both databases."""
    return f"sqlite:///{shutil.copy(upgraded, tmp_path_factory.mktemp('database'))}"


@pytest.fixture
def project(database: Database, settings: Settings, encoder: Path, tmp_path: Path) -> int:
    """Tones of two pitches: eight unlabelled training clips of two speakers, sixteen labelled dev clips of four."""
    with database.write() as session:
        made = create_project(
            session, name="tones", scheme=Scheme(CLASSES), encoder=str(encoder), recipe=Recipe(layer=1),
            strategy=Random(), batch_size=2, now=utcnow(),
        ).id  # fmt: skip
    add_tones(database, settings, made, SPEAKERS, CLIPS_A_SPEAKER, tmp_path)
    return made


@pytest.fixture
def run(database: Database, settings: Settings) -> Run:
    """Run every job that waits, and those they queue; returns their kinds and how they ended."""

    return lambda: run_waiting(database, settings)


def _adapt(database: Database, project: int, guard: Guard, recipe: TaptRecipe = RECIPE) -> int:
    with database.write() as session:
        return adapt(session, project, recipe, guard, now=utcnow()).id


def _newest(database: Database) -> Checkpoint:
    with database.read() as session:
        return session.scalars(select(Checkpoint).order_by(Checkpoint.id.desc()).limit(1)).one()


def _in_use(database: Database, project: int) -> int | None:
    with database.read() as session:
        return session.get_one(Project, project).encoder_checkpoint_id


def _deaf(encoder: Path, folder: Path) -> Path:
    """An encoder that hears the same in everything."""
    network = open_encoder(encoder)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    network.save(folder)
    return folder


def test_an_encoder_that_does_not_lose_is_used_and_its_verdict_stands_on_the_checkpoint_and_the_round(
    database: Database, settings: Settings, project: int, run: Run
) -> None:
    job = _adapt(database, project, Guard(margin=0.9, least_labels=FEW))
    assert run() == [("adapt", "succeeded"), ("embed", "succeeded")]
    checkpoint = _newest(database)
    verdict = checkpoint.report["verdicts"][-1]
    assert _in_use(database, project) == checkpoint.id
    assert (verdict["outcome"], verdict["activated"], verdict["against"]) == ("not_worse", True, None)
    assert (verdict["labels"], verdict["speakers"], verdict["layers"], verdict["n"]) == (16, 4, [1], 5)
    assert verdict["gain"] == pytest.approx(verdict["after"] - verdict["before"])
    assert checkpoint.folder == f"checkpoints/adapt-{job}"
    with database.read() as session:
        training = session.scalars(select(Clip.asset_sha256).where(Clip.split == "train")).all()
        assert session.get_one(Job, job).result["verdict"] == verdict["sentence"]
    heard = read_heard(settings.data / checkpoint.folder)
    assert heard is not None and {key.split(":")[0] for key in heard} == set(training)
    with database.write() as session:
        open_round(session, project, now=utcnow())
    assert run() == [("acquire", "succeeded")]
    with database.read() as session:
        turn = session.scalars(select(Round)).one()
        note = notes_on(session, project, [turn])[turn.id]
    assert note == f"TAPT, checkpoint {checkpoint.id}, used here: {verdict['sentence']}"


def test_whom_the_named_encoder_heard_is_not_forgotten_and_nobody_is_asked_for_a_test_on_them(
    database: Database, settings: Settings, project: int, run: Run, encoder: Path, tmp_path: Path
) -> None:
    named = Path(shutil.copytree(encoder, tmp_path / "named"))
    write_heard(named, {"elsewhere:0-100"})
    with database.write() as session:
        session.get_one(Project, project).encoder = str(named)
    _adapt(database, project, Guard(margin=0.9, least_labels=FEW))
    run()
    assert "elsewhere:0-100" in (read_heard(settings.data / _newest(database).folder) or ())
    with database.write() as session:
        session.get_one(Project, project).encoder_checkpoint_id = None
        tested = session.scalars(select(Clip.asset_sha256).where(Clip.split == "test")).first()
        write_heard(named, {f"{tested}:0-100"})
        open_round(session, project, now=utcnow())
    assert run() == [("acquire", "failed")]
    with database.read() as session:
        error: Any = session.scalars(select(Job.error).where(Job.kind == "acquire")).one()
        assert "in more than one of test, tapt" in error["detail"]
        assert error["detail"].startswith(f"encoder {named} was pretrained on audio of dev or test")
        assert error["detail"].endswith("or take an encoder that did not hear them")
        assert session.scalars(select(Assignment)).all() == []


@pytest.mark.parametrize(
    ("recipe", "read", "layers"),
    [
        (
            TaptRecipe(Contrastive(entries=4, negatives=3), steps=3, seconds_per_step=1, scope=LastBlocks(k=1)),
            Recipe(layer=-1),
            [2],
        ),
        (
            TaptRecipe(LocalAttributes(width=8, heads=2, blocks=1, attributes=4), steps=3, seconds_per_step=1),
            standard_recipe(),
            [0, 1, 2],
        ),
    ],
    ids=["contrastive", "local_attributes"],
)
def test_every_objectives_encoder_is_compared_and_embeds_the_project(
    database: Database, project: int, run: Run, recipe: TaptRecipe, read: Recipe, layers: list[int]
) -> None:
    with database.write() as session:
        session.get_one(Project, project).recipe = recipe_to_dict(read)
    _adapt(database, project, Guard(margin=0.9, least_labels=FEW), recipe)
    assert run() == [("adapt", "succeeded"), ("embed", "succeeded")]
    checkpoint = _newest(database)
    verdict = checkpoint.report["verdicts"][-1]
    assert (verdict["outcome"], verdict["n"], verdict["layers"]) == ("not_worse", 5, layers)
    with database.read() as session:
        embedded = session.scalars(select(Job.result).where(Job.kind == "embed")).one()
    assert embedded["encoder_digest"] == checkpoint.encoder_digest


def test_too_few_labels_are_told_and_the_named_encoder_stays(database: Database, project: int, run: Run) -> None:
    _adapt(database, project, Guard())
    assert run() == [("adapt", "succeeded")]
    verdict = _newest(database).report["verdicts"][-1]
    assert verdict["outcome"] == "unmeasured"
    assert "16 clips of train and dev have a label and 40 are needed: label more" in verdict["sentence"]
    assert _in_use(database, project) is None


def test_always_uses_what_was_not_measured(database: Database, project: int, run: Run) -> None:
    _adapt(database, project, Guard("always"))
    assert run() == [("adapt", "succeeded"), ("embed", "succeeded")]
    assert _in_use(database, project) == _newest(database).id


def test_an_encoder_that_loses_is_not_used_and_one_in_use_goes_back_to_the_named_one(
    database: Database, settings: Settings, project: int, run: Run, encoder: Path
) -> None:
    with database.write() as session:
        folder = "checkpoints/adapt-0"
        made = Checkpoint(
            project_id=project, kind="encoder", folder=folder, report={}, recipe={}, created_at=utcnow(),
            encoder_digest=open_encoder(_deaf(encoder, settings.data / folder)).digest,
        )  # fmt: skip
        session.add(made)
        session.flush()
        request_verdict(session, project, None, Guard(least_labels=FEW), now=utcnow())
    assert run() == [("evaluate_tapt", "succeeded")]
    verdict = _newest(database).report["verdicts"][-1]
    assert (verdict["outcome"], verdict["after"]) == ("worse", 0.5)
    assert verdict["before"] > 0.9
    assert "the adapted encoder loses and is not used" in verdict["sentence"]
    assert _in_use(database, project) is None
    with database.write() as session:
        session.get_one(Project, project).encoder_checkpoint_id = made.id
        request_verdict(session, project, made.id, Guard("never", least_labels=FEW), now=utcnow())
    assert run() == [("evaluate_tapt", "succeeded")]
    assert _in_use(database, project) == made.id
    with database.write() as session:
        request_verdict(session, project, made.id, Guard(least_labels=FEW), now=utcnow())
    assert run() == [("evaluate_tapt", "succeeded"), ("embed", "succeeded")]
    assert _in_use(database, project) is None
    verdicts = _newest(database).report["verdicts"]
    assert [one["outcome"] for one in verdicts] == ["worse"] * 3
    assert [one["against"] for one in verdicts] == [None] * 3


def test_an_encoder_without_the_layer_the_project_reads_is_never_put_to_use(
    database: Database, settings: Settings, project: int, run: Run
) -> None:
    with database.write() as session:
        folder = "checkpoints/adapt-0"
        shallow = build_tiny("whisper", settings.data / folder, width=16, n_layers=1)
        session.get_one(Project, project).recipe = {"layer": 2}
        session.add(
            Checkpoint(
                project_id=project, kind="encoder", folder=folder, report={}, recipe={}, created_at=utcnow(),
                encoder_digest=open_encoder(shallow).digest,
            )
        )  # fmt: skip
        session.flush()
        request_verdict(session, project, None, Guard("always", least_labels=FEW), now=utcnow())
    assert run() == [("evaluate_tapt", "succeeded")]
    verdict = _newest(database).report["verdicts"][-1]
    assert "recipe.layer is 2" in verdict["sentence"]
    assert (verdict["activated"], _in_use(database, project)) == (False, None)


def test_a_run_that_failed_goes_on_where_it_was_and_ends_with_the_weights_of_an_unbroken_one(
    database: Database, project: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = _adapt(database, project, Guard("never"))
    with monkeypatch.context() as patched:

        def fail_at_three(report: TaptReport, first: TaptReport | None) -> dict[str, Any]:
            if report.stage == "train" and report.step == 3:
                raise OSError("the power went out")
            return progress_of(report, first)

        patched.setattr(adapting, "progress_of", fail_at_three)
        assert run() == [("adapt", "failed")]
    with database.write() as session:
        again = resume(session, broken, now=utcnow()).id
    assert run() == [("adapt", "succeeded")]
    resumed = _newest(database)
    assert resumed.folder == f"checkpoints/adapt-{broken}"
    with database.read() as session:
        told = session.scalars(select(JobEvent.report).where(JobEvent.job_id == again).order_by(JobEvent.id)).all()
    steps = [report["step"] for report in told if report.get("stage") == "train"]
    assert steps[0] == 4, "it went on after the last state"
    _adapt(database, project, Guard("never"))
    assert run() == [("adapt", "succeeded")]
    assert _newest(database).encoder_digest == resumed.encoder_digest


def test_progress_tells_pace_and_time_left_from_this_attempts_steps() -> None:
    first = TaptReport("train", 10, 30, loss=3.0, seconds_audio=100.0, seconds=50.0)
    later = TaptReport("train", 20, 30, loss=2.0, seconds_audio=300.0, seconds=60.0)
    told = progress_of(later, first)
    assert (told["hours_per_hour"], told["left_s"], told["loss"]) == (20.0, 10.0, 2.0)
    assert "left_s" not in progress_of(first, first)
    assert "left_s" not in progress_of(TaptReport("targets", 1, 2), None)
