"""Advice on stopping above the curve: one sentence, what it rests on, and what an operator finds worth a batch."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.models import Clip, Role
from tests.journey.conftest import voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journey.conftest import Stage, Visit

HEIGHTS = (0.45, 0.55, 0.605, 0.625, 0.66, 0.672)


@pytest.mark.browser
def test_the_dashboard_says_whether_more_labels_are_worth_it_and_why(
    enter: "Callable[..., Visit]", stage: "Stage"
) -> None:
    project, clips = stage.make_project("advised", [voice(900)], batch_size=40)
    with stage.db.write() as session:
        one = session.scalars(select(Clip).where(Clip.id == clips[0])).one()
        session.add_all(_window(one, k) for k in range(1, 101))
    for number, height in enumerate(HEIGHTS):
        finished = stage.open_round(project, number, clips, state="finished")
        stage.add_point(project, finished, "strategy", 50 * (number + 1), height, 0.04)
    page = enter(Role.VIEWER, viewport={"width": 375, "height": 800}).open(f"/projects/{project}")
    sentence = page.locator("[data-advice-sentence]")
    sentence.get_by_text("Worth it: about +").wait_for()
    assert page.locator("[data-criteria]").is_hidden()
    page.get_by_text("What this rests on").click()
    shown = page.locator("[data-criteria] b").all_inner_texts()
    assert [name.lower() for name in shown] == [
        "expected gain",
        "plateau",
        "stabilising predictions",
        "confidence",
    ]
    assert page.locator("[data-advice-law]").inner_text().startswith("Fitted to 6 rounds: ")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.get_by_label("More labels").fill("20")
    page.get_by_label("Worth it from, in UAR points").fill("20")
    page.get_by_label("Worth it from, in UAR points").blur()
    sentence.get_by_text("Stop now: about +").wait_for()
    assert "for 20 more labels" in sentence.inner_text()
    page.reload()
    sentence.get_by_text("Stop now: about +").wait_for()


def _window(one: Clip, k: int) -> Clip:
    same = (
        "project_id",
        "asset_sha256",
        "playback_sha256",
        "playback_type",
        "split",
        "peaks",
        "created_at",
    )
    return Clip(start_s=0.0, end_s=1.0 + k, external_id=f"w{k}", **{name: getattr(one, name) for name in same})
