"""Why this clip, on the pages: quietly in one's own history, and in the operator's table of rounds."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import update

from app.models import Pick, Role, Round

if TYPE_CHECKING:
    from tests.journey.conftest import Stage, Visit

Enter = Callable[..., "Visit"]


def test_the_reason_is_read_after_the_answer_and_in_the_table_of_rounds(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("why", voices[:2], strategy="margin")
    turn = stage.open_round(project, 0, clips)
    reason = {
        "nearest_clip_id": clips[1],
        "nearest_distance": 0.8,
        "cluster_size": 24,
        "guess": [["fear", 0.41], ["joy", 0.4]],
    }
    with stage.db.write() as session:
        session.execute(update(Pick).where(Pick.round_id == turn).values(**reason))
        session.execute(update(Round).where(Round.id == turn).values(encoder_digest="0"))
    token = stage.newcomer("why")
    stage.answer_all(token, project, lambda _: {"label": "neutral"})
    nearest = f"the nearest labelled clip is {clips[1]}, 0.80 away; it stands for 23 clips like it."
    page = enter(token=token).open(f"/projects/{project}/history")
    row = page.locator("[data-history] > li").last
    row.get_by_role("button", name="Why this clip").click()
    row.get_by_text(f"1st of 2 by margin; {nearest}").wait_for()
    assert "fear" not in row.inner_text(), "the round is open: what the model heard is not told"

    with stage.db.write() as session:
        session.execute(update(Round).where(Round.id == turn).values(state="finished"))
    page.reload()
    row.get_by_role("button", name="Why this clip").focus()
    page.keyboard.press("Enter")
    row.get_by_text("torn between fear and joy (0.41 / 0.40)").wait_for()
    assert row.evaluate("row => row === document.activeElement"), "the keyboard is where it was"

    page = enter(Role.OPERATOR).open(f"/projects/{project}")
    page.get_by_role("button", name="Why these clips in round 0").click()
    dialog = page.get_by_role("dialog", name="Round 0: why these clips")
    dialog.get_by_text("2nd of 2 by margin").wait_for()
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
