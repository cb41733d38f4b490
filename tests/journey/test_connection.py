"""A connection that comes and goes: nothing an annotator said is lost, and nothing counts twice."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.models import Annotation

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.journey.conftest import Stage, Visit

SAM = [{"name": name, "low": 1, "high": 5} for name in ("valence", "arousal")]
Enter = Callable[..., "Visit"]


def _rows(stage: "Stage", project: int) -> list[Annotation]:
    with stage.db.read() as session:
        return list(session.scalars(select(Annotation).where(Annotation.project_id == project).order_by(Annotation.id)))


def _until_rows(page: "Page", stage: "Stage", project: int, n: int) -> list[Annotation]:
    for _ in range(200):
        if len(rows := _rows(stage, project)) >= n:
            return rows
        page.wait_for_timeout(100)
    return _rows(stage, project)


def _until_held(page: "Page", n: int) -> None:
    held = f"""() => Object.keys(sessionStorage).filter((key) => key.startsWith('afterloop.leases.'))
        .some((key) => JSON.parse(sessionStorage[key]).length === {n})"""
    page.wait_for_function(held)
    page.wait_for_load_state("networkidle")


def _answer(visit: "Visit", given: int) -> None:
    """Give the next answer, and wait for the clip after it: a key pressed before it shows belongs to no clip."""
    visit.answer(str(given % 7 + 1))
    visit.page.wait_for_function(
        "() => Number(document.querySelector('[data-wave]').getAttribute('aria-valuenow')) < 60"
    )


@pytest.mark.browser
def test_a_connection_that_drops_in_the_middle_of_twelve_clips_loses_and_doubles_nothing(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("dropping", voices[:16])
    stage.open_round(project, 0, clips)
    visit = enter()
    visit.expected = "ERR_INTERNET_DISCONNECTED"
    page = visit.start_labelling(project)
    given = 0
    for _ in range(3):
        for _ in range(2):
            _answer(visit, given)
            given += 1
        _until_held(page, 4)
        visit.context.set_offline(True)
        page.get_by_role("alert").filter(has_text="No connection").wait_for()
        for _ in range(2):
            _answer(visit, given)
            given += 1
        visit.context.set_offline(False)
        page.get_by_role("alert").filter(has_text="No connection").wait_for(state="hidden")
    rows = _until_rows(page, stage, project, 12)
    page.wait_for_timeout(1_000)
    assert [row.clip_id for row in _rows(stage, project)] == [row.clip_id for row in rows] == clips[:12]
    names = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
    assert [row.label for row in rows] == [names[i % 7] for i in range(12)]


@pytest.mark.browser
def test_an_answer_whose_receipt_was_lost_on_the_way_is_sent_again_and_counted_once(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("receipts", voices[:6])
    stage.open_round(project, 0, clips)
    visit = enter()
    visit.expected = "ERR_FAILED"
    page = visit.start_labelling(project)
    sent = Counter[str]()

    def lose_the_first_receipt(route: "Route") -> None:
        lease = route.request.url.split("/")[-2]
        sent[lease] += 1
        if sent[lease] == 1:
            route.fetch()  # the server has it, and the browser will never know
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/leases/*/annotation", lose_the_first_receipt)
    for key in "123":
        visit.answer(key)
    rows = _until_rows(page, stage, project, 3)
    page.get_by_text("3 of 6").wait_for()
    page.get_by_role("alert").filter(has_text="No connection").wait_for(state="hidden")
    assert [(row.clip_id, row.label) for row in rows] == list(zip(clips, ("anger", "boredom", "disgust"), strict=False))
    assert len(_rows(stage, project)) == 3
    assert set(sent.values()) == {2}


@pytest.mark.browser
def test_a_half_given_answer_outlives_a_tab_that_is_gone_and_another_tab_goes_on_with_the_clip(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("another tab", voices[:6], dimensions=SAM)
    stage.open_round(project, 0, clips)
    visit = enter()
    page = visit.start_labelling(project)
    _until_held(page, 4)
    visit.answer("5", "2")
    page.close(run_before_unload=False)
    visit.page = visit.context.new_page()
    page = visit.start_labelling(project)
    page.locator("[data-label=happiness][aria-pressed=true]").wait_for()
    visit.answer("4", "Enter")
    (row,) = _until_rows(page, stage, project, 1)
    assert (row.clip_id, row.label, row.dimensions) == (clips[0], "happiness", {"valence": 2, "arousal": 4})


@pytest.mark.browser
def test_two_tabs_of_one_annotator_never_show_the_same_clip(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project, clips = stage.make_project("two tabs", voices[:10])
    stage.open_round(project, 0, clips)
    visit = enter()
    first = visit.start_labelling(project)
    _until_held(first, 4)
    visit.page = second = visit.context.new_page()
    visit.start_labelling(project)
    _until_held(second, 4)
    visit.answer("2")
    visit.page = first
    first.bring_to_front()
    visit.answer("1")
    rows = _until_rows(first, stage, project, 2)
    assert {row.clip_id for row in rows} == {clips[0], clips[4]}
