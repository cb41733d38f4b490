"""Fine-tuning as a job: learned poolings, runs that diverge, and runs that are killed and go on."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from al_core.peft.specs import LastK, Lora
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from app.db import utcnow
from app.jobs import fine_tune, queue
from app.jobs.child import run_job
from app.models import Clip
from app.rounds.service import close_round, open_round

CLASSES = ("high", "low")
AROUSAL = Dimension("arousal", 1, 5)


def test_a_learned_pooling_goes_round(make: Any) -> None:
    recipe = Recipe(method=Lora(rank=2), pooling="attentive", epochs=2, precision="bf16")
    made = make(Scheme(CLASSES, (AROUSAL,)), recipe=recipe, control_share=1.0)
    assert made.round().state == "finished"
    point = made.points()[0]
    found = made.checkpoint()
    assert found.report["n_trainable"] > 0 and point.figures["dimensions"]


def test_a_run_that_diverges_keeps_its_last_good_weights_and_warns(make: Any) -> None:
    recipe = Recipe(method=LastK(k=1), learning_rate=1e6, epochs=30, patience=30)
    made = make(Scheme(CLASSES), recipe=recipe)
    turn = made.round()
    assert turn.state == "finished" and len(made.points()) == 1
    (warning,) = turn.warnings
    assert warning.startswith("strategy arm: ") and "lower recipe.learning_rate" in warning
    assert made.checkpoint().report["warnings"] == [warning.removeprefix("strategy arm: ")]


class KilledError(BaseException):
    """Stands for a kill -9: nothing after it runs, and no error is stored."""


def _killed_at(step: int, told: list[int]) -> Callable[..., Any]:
    """`fine_tune`, killed when it comes to this step; `told` gets the steps before it."""
    whole = fine_tune.fine_tune

    def part(*given: Any, **named: Any) -> Any:
        for report in whole(*given, **named):
            if report.stage == "train":
                if report.step == step:
                    raise KilledError
                told.append(report.step)
            yield report

    return part


@pytest.mark.parametrize("relabelled", [False, True])
def test_a_killed_fine_tuning_goes_on_unless_its_labels_changed(
    make: Any, monkeypatch: pytest.MonkeyPatch, relabelled: bool
) -> None:
    made = make(Scheme(CLASSES), recipe=Recipe(method=LastK(k=1), epochs=6, patience=6, minibatch=4))
    with made.db.write() as session:
        opened = open_round(session, made.project_id, now=utcnow()).id
    made.jobs()
    with made.db.write() as session:
        close_round(session, opened, now=utcnow())
        claim = queue.claim(session, "test", 60, now=utcnow())
    before: list[int] = []
    after: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(fine_tune, "fine_tune", _killed_at(8, before))
        with pytest.raises(KilledError):
            run_job(made.settings, made.db, claim)
    folder = made.settings.data / "runs" / str(claim.job_id)
    assert folder.is_dir() and before == list(range(1, 8))
    with made.db.write() as session:
        queue.hand_back(session, claim.job_id, claim.fence, attempt_counts=True, now=utcnow())
        if relabelled:
            clip = session.scalars(select(Clip).where(Clip.split == "train", Clip.reference_label == "high")).first()
            clip.reference_label = "low"
    monkeypatch.setattr(fine_tune, "fine_tune", _killed_at(10**6, after))
    assert made.jobs() == [("fine_tune", "succeeded"), ("evaluate", "succeeded")]
    assert after[0] == 1 if relabelled else after[0] > 1
    assert after[-1] == 18
    assert not folder.exists()


def test_states_of_runs_nobody_goes_on_with_are_removed(make: Any) -> None:
    made = make(Scheme(CLASSES))
    orphan = made.settings.data / "runs" / "999" / "strategy"
    orphan.mkdir(parents=True)
    made.round()
    assert not orphan.parent.exists()
