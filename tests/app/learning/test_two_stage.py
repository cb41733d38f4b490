"""Two-stage adaptation in the service: what a second stage reports of both test splits."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from al_core.peft.specs import Lora
from al_core.recipe import Recipe, Start
from al_core.scheme import Dimension, Scheme
from app.models import Clip

CLASSES = ("high", "low")
AROUSAL = Dimension("arousal", 1, 5)


LORA = Recipe(method=Lora(rank=2), epochs=3)
RENAMED = {"high": "up", "low": "down"}


@pytest.mark.parametrize("adaptors", ["continue", "stack"])
def test_a_second_stage_reports_source_and_target_before_and_after(make: Any, adaptors: str) -> None:
    source = make(Scheme(CLASSES, (AROUSAL,)), name="source", recipe=LORA)
    source.round()
    first = source.checkpoint()
    start = Start(str(first.id), adaptors, (("high", "up"), ("low", "down")))
    target = make(Scheme(("down", "up")), name="target", recipe=replace(LORA, start=start), rename=RENAMED)
    turn = target.round()
    assert (turn.state, turn.warnings) == ("finished", [])
    second = target.checkpoint()
    found = second.report["two_stage"]
    assert (found["checkpoint_id"], found["classes"], found["dimensions"]) == (first.id, ["down", "up"], [])
    assert {side: [found[side][when]["n"] for when in ("before", "after")] for side in ("source", "target")} == {
        "source": [48, 48],
        "target": [48, 48],
    }
    (of_first, of_second) = (made.points()[-1] for made in (source, target))
    assert found["source"]["before"]["uar"] == pytest.approx(of_first.uar)
    assert found["target"]["after"]["uar"] == pytest.approx(of_second.uar)
    assert found["target"]["after"]["low"] <= found["target"]["after"]["uar"] <= found["target"]["after"]["high"]
    assert second.recipe["start"]["checkpoint"] == str(first.id), "the row names the checkpoint, not a folder"


def test_a_source_without_labelled_test_clips_is_told_and_the_target_measured(make: Any) -> None:
    source = make(Scheme(CLASSES), name="source", recipe=LORA)
    source.round()
    start = Start(str(source.checkpoint().id))
    with source.db.write() as session:
        gone = (Clip.project_id == source.project_id, Clip.split == "test")
        session.execute(update(Clip).where(*gone).values(reference_label=None))
    target = make(Scheme(CLASSES), name="target", recipe=replace(LORA, start=start))
    target.round()
    found = target.checkpoint().report["two_stage"]
    assert "no test clip has a reference label" in found["source"]["reason"]
    assert set(found["target"]) == {"before", "after"}
