"""The pages in Chromium, as annotators, operators and readers use them."""

from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from app.models import Annotation, Assignment, Role

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.journey.conftest import Stage, Visit

PATIENCE_MS = 60_000
QUICK_MS = 150
HEARD = "() => Number(document.querySelector('[data-wave]').getAttribute('aria-valuenow')) >= 45"
SOUNDS = "() => performance.getEntriesByName('answer-to-sound').map((entry) => entry.duration)"
ANNOTATOR = 2  # accounts are made in order of role


Enter = Callable[..., "Visit"]


def _holds(n: int, project: int) -> str:
    key = f"afterloop.leases.{ANNOTATOR}.{project}"
    return f"() => JSON.parse(sessionStorage['{key}'] ?? '[]').length === {n}"


def _rows(stage: "Stage", project: int) -> list[Annotation]:
    with stage.db.read() as session:
        return list(session.scalars(select(Annotation).where(Annotation.project_id == project).order_by(Annotation.id)))


def _until_rows(visit: "Visit", stage: "Stage", project: int, n: int) -> list[Annotation]:
    """The project's annotations once there are n, or what there is when patience ends."""
    for _ in range(PATIENCE_MS // 100):
        rows = _rows(stage, project)
        if len(rows) >= n:
            return rows
        visit.page.wait_for_timeout(100)
    return _rows(stage, project)


@pytest.mark.browser
def test_ten_clips_are_labelled_by_keyboard_alone_and_each_next_one_sounds_at_once(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("keyboard", voices[:12])
    stage.open_round(project, 0, clips)
    visit = enter()
    page = visit.start_labelling(project)
    for i in range(10):
        visit.answer(str(i % 7 + 1))
    rows = _until_rows(visit, stage, project, 10)
    assert [row.label for row in rows] == [list(_classes(stage, project))[i % 7] for i in range(10)]
    assert [row.clip_id for row in rows] == clips[:10]
    assert all(row.seconds is not None and 0 < row.seconds < 60 for row in rows)
    waits = page.evaluate(SOUNDS)
    print(f"answer to next sound: median {median(waits):.0f} ms, worst {max(waits):.0f} ms of {len(waits)}")
    assert len(waits) >= 10 and median(waits) < QUICK_MS
    page.get_by_text("10 of 12").wait_for()


@pytest.mark.browser
def test_a_reload_in_the_middle_loses_no_answer_and_no_clip(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project, clips = stage.make_project("reload", voices[:8])
    stage.open_round(project, 0, clips)
    visit = enter()
    visit.start_labelling(project)
    for key in "123":
        visit.answer(key)
    visit.page.wait_for_function(_holds(4, project))
    visit.page.reload()  # before the third answer was due
    visit.start_labelling(project)
    for key in "45671":
        visit.answer(key)
    visit.page.get_by_role("heading", name="That was the last one for now").wait_for()
    rows = _until_rows(visit, stage, project, 8)
    names = ["anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness", "anger"]
    assert len(rows) == 8
    assert {row.clip_id: row.label for row in rows} == dict(zip(clips, names, strict=True))


@pytest.mark.browser
def test_answers_given_offline_are_sent_when_the_connection_is_back(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("offline", voices[:8])
    stage.open_round(project, 0, clips)
    visit = enter()
    page = _answer_two_offline(visit, project)
    page.wait_for_timeout(3_500)  # longer than an answer can be taken back: it was tried, and failed
    assert _rows(stage, project) == []
    visit.context.set_offline(False)
    rows = _until_rows(visit, stage, project, 2)
    assert [(row.clip_id, row.label) for row in rows] == [(clips[0], "disgust"), (clips[1], "fear")]
    page.get_by_role("alert").filter(has_text="No connection").wait_for(state="hidden")


@pytest.mark.browser
def test_answers_given_offline_outlive_a_crash_of_the_page_and_are_sent_on_the_next_visit(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("offline and gone", voices[:8])
    stage.open_round(project, 0, clips)
    visit = enter()
    _crash(_answer_two_offline(visit, project))
    visit.context.set_offline(False)
    assert _rows(stage, project) == []
    visit.page = visit.context.new_page()
    visit.open(f"/projects/{project}/annotate")
    rows = _until_rows(visit, stage, project, 2)
    assert [(row.clip_id, row.label) for row in rows] == [(clips[0], "disgust"), (clips[1], "fear")]


def _crash(page: "Page") -> None:
    """End the page's process: a page that is merely closed still sends what it has."""
    from playwright.sync_api import Error

    with page.expect_event("crash"), suppress(Error):
        page.goto("chrome://crash")
    page.close()


def _answer_two_offline(visit: "Visit", project: int) -> "Page":
    visit.expected = "ERR_INTERNET_DISCONNECTED"
    page = visit.start_labelling(project)
    page.wait_for_function(_holds(4, project))
    page.wait_for_load_state("networkidle")
    visit.context.set_offline(True)
    page.get_by_role("alert").filter(has_text="No connection").wait_for()
    visit.answer("3")
    visit.answer("4")
    page.get_by_role("alert").filter(has_text="2 answers are kept in this browser").wait_for()
    return page


@pytest.mark.browser
def test_an_answer_is_sent_when_the_page_is_left_before_it_was_due(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("leaving", voices[:5])
    stage.open_round(project, 0, clips)
    visit = enter()
    page = visit.start_labelling(project)
    visit.answer("7")
    page.get_by_role("link", name="Afterloop").click()
    page.get_by_role("heading", name="Projects").wait_for()
    assert [row.label for row in _until_rows(visit, stage, project, 1)] == ["sadness"]


@pytest.mark.browser
def test_a_slip_is_taken_back_and_answered_again(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project, clips = stage.make_project("slip", voices[:5])
    stage.open_round(project, 0, clips)
    visit = enter()
    page = visit.start_labelling(project)
    visit.answer("1")
    page.keyboard.press("z")
    visit.answer("2")
    visit.answer("3")
    rows = _until_rows(visit, stage, project, 2)
    assert [(row.clip_id, row.label) for row in rows] == [(clips[0], "boredom"), (clips[1], "disgust")]


@pytest.mark.browser
def test_a_comment_and_a_skip_need_no_mouse(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project, clips = stage.make_project("asides", voices[:5])
    stage.open_round(project, 0, clips)
    visit = enter()
    page = visit.start_labelling(project)
    page.keyboard.press("c")
    page.keyboard.type("two voices? <b>1s</b>")
    page.keyboard.press("Enter")
    page.get_by_text("“two voices? <b>1s</b>”").wait_for()
    visit.answer("6")
    visit.answer("s")  # heard long enough to be answered: the reason's key must not answer it
    page.get_by_role("heading", name="Why skip this clip?").wait_for()
    page.keyboard.press("2")
    answered, skipped = _until_rows(visit, stage, project, 2)
    assert (answered.label, answered.comment) == ("neutral", "two voices? <b>1s</b>")
    assert (skipped.clip_id, skipped.skip_reason, skipped.label) == (clips[1], "bad_audio", None)


@pytest.mark.browser
def test_an_answer_to_a_clip_that_went_to_somebody_else_is_refused_aloud_and_work_goes_on(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("lost", voices[:6])
    stage.open_round(project, 0, clips)
    visit = enter()
    visit.expected = "409"
    page = visit.start_labelling(project)
    page.wait_for_function(HEARD)
    with stage.db.write() as session:
        taken = update(Assignment).where(Assignment.clip_id == clips[0], Assignment.project_id == project)
        session.execute(taken.values(fence=Assignment.fence + 1, account_id=1))
    visit.answer("1")
    visit.answer("2")
    page.get_by_text("Your answer “anger” was not counted").wait_for()
    assert [(row.clip_id, row.label) for row in _until_rows(visit, stage, project, 1)] == [(clips[1], "boredom")]


@pytest.mark.browser
def test_the_page_waits_between_rounds_and_goes_on_by_itself(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project, clips = stage.make_project("between", voices[:6])
    stage.open_round(project, 0, clips[:2], "finished")
    visit = enter()
    page = visit.open(f"/projects/{project}/annotate")
    page.get_by_role("heading", name="Nothing to label now").wait_for()
    stage.open_round(project, 1, clips[2:])
    visit.start_sound()
    visit.answer("5")
    assert _until_rows(visit, stage, project, 1)[0].clip_id == clips[2]


@pytest.mark.browser
def test_more_than_nine_classes_go_on_with_letters(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    names = [f"class {i}" for i in range(12)]
    project, clips = stage.make_project("letters", voices[:4], classes=names)
    stage.open_round(project, 0, clips)
    visit = enter()
    visit.start_labelling(project)
    visit.answer("b")
    visit.answer("9")
    assert [row.label for row in _until_rows(visit, stage, project, 2)] == ["class 10", "class 8"]


@pytest.mark.browser
def test_a_phone_shows_every_class_without_scrolling_and_labels_by_touch(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("phone", voices[:5])
    stage.open_round(project, 0, clips)
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visit = enter(**phone)
    page = visit.start_labelling(project)
    buttons = page.locator(".class").all()
    boxes = [button.bounding_box() for button in buttons]
    assert len(boxes) == 7
    assert all(
        box["height"] >= 44 and box["y"] + box["height"] <= 844 and box["x"] + box["width"] <= 390 for box in boxes
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.wait_for_function(HEARD)
    buttons[3].tap()
    assert [row.label for row in _until_rows(visit, stage, project, 1)] == ["fear"]


@pytest.mark.browser
def test_the_dashboard_shows_curve_and_table_and_a_new_point_without_a_reload(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    name = "<img src=x onerror=alert(1)>"
    project, clips = stage.make_project(name, voices[:9], budget=90)
    for number, uar in enumerate((0.52, 0.61)):
        done = stage.open_round(project, number, clips[3 * number : 3 * number + 3], "finished")
        stage.add_point(project, done, "strategy", 20 * (number + 1), uar, 0.05)
        stage.add_point(project, done, "control", 20 * (number + 1), uar - 0.04, 0.05)
    visit = enter(Role.VIEWER)
    page = visit.open(f"/projects/{project}")
    page.get_by_role("heading", name=name).wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    assert page.locator(".js-plotly-plot .legendtext").all_text_contents() == ["strategy", "random control"]
    row = page.locator("[data-rounds] tr").first
    cells = row.inner_text().split("\t")
    assert cells[:-2] == [
        "1", "finished", "coverage then margin", "40", "1.3", "61.0 [56.0–66.0]", "57.0 [52.0–62.0]", "3.4 s",
    ]  # fmt: skip
    assert row.get_by_role("link").get_attribute("href") == f"/checkpoints/{cells[-2]}"
    assert page.get_by_role("button", name="Start round").count() == 0
    later = stage.open_round(project, 2, clips[6:], "finished")
    stage.add_point(project, later, "strategy", 60, 0.755, 0.04)
    page.locator("[data-figure]").get_by_text("75.5").wait_for()
    assert page.locator("[data-rounds] tr").count() == 3


@pytest.mark.browser
def test_an_operator_closes_a_round_and_promotes_a_checkpoint_from_the_dashboard(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("operated", voices[:8])
    done = stage.open_round(project, 0, clips[:3], "finished")
    stage.add_point(project, done, "strategy", 3, 0.5, 0.1)
    stage.open_round(project, 1, clips[3:])
    visit = enter(Role.OPERATOR)
    page = visit.open(f"/projects/{project}")
    page.get_by_role("button", name="Promote the checkpoint of round 0").click()
    page.get_by_text("in use").wait_for()
    page.get_by_role("button", name="Close round").click()
    page.get_by_role("dialog").get_by_role("button", name="Close the round").click()
    page.get_by_role("button", name="Close round").wait_for(state="hidden")


@pytest.mark.browser
def test_an_empty_project_says_what_to_do_next(enter: Enter, stage: "Stage") -> None:
    project, _ = stage.make_project("empty", [])
    page = enter(Role.OPERATOR).open(f"/projects/{project}")
    page.get_by_role("heading", name="No clips yet").wait_for()
    page.get_by_text('afterloop import "empty" manifest.csv').wait_for()


@pytest.mark.browser
def test_signing_in_leads_to_the_page_that_was_asked_for_and_signing_out_forgets(
    chromium: "Browser", stage: "Stage"
) -> None:
    project, _ = stage.make_project("signing in", [])
    page = chromium.new_page()
    page.goto(f"{stage.url}/projects/{project}")
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").filter(has_text="Nobody holds this token").wait_for()
    page.get_by_label("Token").fill(stage.tokens[Role.VIEWER])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{stage.url}/projects/{project}")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("afterloop_token", True, "Strict")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{stage.url}/login")
    assert page.context.cookies() == []
    page.context.close()


def _classes(stage: "Stage", project: int) -> list[str]:
    return list(stage.api.get(f"/api/v1/projects/{project}").json()["scheme"]["classes"])
