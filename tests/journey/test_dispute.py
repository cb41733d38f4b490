"""Two annotators disagree, an adjudicator settles it, and everybody sees what became of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.models import Adjudication, Annotation, Role

if TYPE_CHECKING:
    from tests.journey.conftest import Stage, Visit

Enter = Callable[..., "Visit"]


def _rulings(stage: "Stage", project: int) -> list[tuple[str, str | None, str]]:
    with stage.db.read() as session:
        rows = session.scalars(select(Adjudication).where(Adjudication.project_id == project).order_by(Adjudication.id))
        return [(row.decision, row.label, row.reason) for row in rows]


def _answers(stage: "Stage", project: int) -> list[str | None]:
    with stage.db.read() as session:
        rows = select(Annotation.label).where(Annotation.project_id == project).order_by(Annotation.id)
        return list(session.scalars(rows))


@pytest.mark.browser
def test_two_annotators_disagree_and_an_adjudicator_settles_it_by_keyboard(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("disputed", voices[:3])
    stage.open_round(project, 0, clips, overlap=2)
    for name, keys in (("anna", "114"), ("ben", "164")):
        visit = enter(token=stage.newcomer(name))
        page = visit.start_labelling(project)
        for key in keys:
            visit.answer(key)
        page.get_by_role("heading", name="Nothing to label now").wait_for()
    said = _answers(stage, project)
    assert sorted(filter(None, said)) == ["anger", "anger", "anger", "fear", "fear", "neutral"]

    page = enter(Role.OPERATOR).open(f"/projects/{project}/disputes")
    page.get_by_text("1 of 1").wait_for()
    opinions = page.get_by_role("listitem").filter(has=page.locator(".heard"))
    assert [one.locator(".heard").inner_text() for one in opinions.all()] == ["Anger", "Neutral"]
    assert page.get_by_text("The answers tie.").is_visible()
    page.keyboard.press("1")
    page.keyboard.press("Enter")  # the reason is still missing: the key leads to it
    page.keyboard.type("The breath gives it away.")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing to settle").wait_for()
    assert _rulings(stage, project) == [("label", "anger", "The breath gives it away.")]
    assert _answers(stage, project) == said

    page.get_by_role("button", name=f"Clip {clips[1]}: anger").click()
    page.get_by_text("“The breath gives it away.”").wait_for()
    for key in ("l", "c"):
        page.keyboard.press(key)
    page.keyboard.type("On second thoughts it is both.")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing to settle").wait_for()
    assert _rulings(stage, project)[1:] == [("ambiguous", None, "On second thoughts it is both.")]


@pytest.mark.browser
def test_a_clip_that_was_sent_back_comes_to_its_annotators_again_and_they_do_not_see_what_was_said(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("sent back", voices[:2])
    stage.open_round(project, 0, clips, overlap=2)
    tokens = {name: stage.newcomer(name) for name in ("clara", "david")}
    stage.answer_all(tokens["clara"], project, lambda _: {"label": "fear"})
    stage.answer_all(tokens["david"], project, lambda clip: {"label": "fear" if clip == clips[0] else "sadness"})
    page = enter(Role.OPERATOR).open(f"/projects/{project}/disputes")
    page.get_by_text("1 of 1").wait_for()
    for key in ("z", "c"):
        page.keyboard.press(key)
    page.keyboard.type("Listen for the tremble.")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing to settle").wait_for()
    visit = enter(token=tokens["david"])
    page = visit.start_labelling(project)
    assert not page.get_by_text("sadness").filter(has_text="“").count()
    visit.answer("4")
    page.get_by_role("heading", name="Nothing to label now").wait_for()
    assert _answers(stage, project)[-1] == "fear"


@pytest.mark.browser
def test_an_annotator_revises_an_answer_in_the_history_without_the_mouse(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("revised", voices[:3])
    stage.open_round(project, 0, clips)
    token = stage.newcomer("erna")
    stage.answer_all(token, project, lambda _: {"label": "fear", "comment": "hm"})
    page = enter(token=token).open(f"/projects/{project}/history")
    page.get_by_role("listitem").nth(2).wait_for()
    for key in ("ArrowDown", "ArrowDown", "Enter", "7", "Enter"):
        page.keyboard.press(key)
    page.locator(".said").get_by_text("sadness", exact=True).wait_for()
    with stage.db.read() as session:
        rows = session.scalars(select(Annotation).where(Annotation.project_id == project).order_by(Annotation.id)).all()
        newest = rows[-1]
        before = next(row for row in rows if row.id == newest.supersedes_id)
        assert (newest.label, newest.comment, before.label) == ("sadness", "hm", "fear")
        assert newest.clip_id == before.clip_id == clips[1]
    page.locator(".pill").get_by_text("revised").wait_for()


@pytest.mark.browser
def test_the_agreement_page_shows_what_the_api_says_and_freshens_itself(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project, clips = stage.make_project("agreeing", voices[:12])
    stage.open_round(project, 0, clips, overlap=2)
    tokens = [stage.newcomer(name) for name in ("frieda", "georg")]
    page = enter(Role.OPERATOR).open(f"/projects/{project}/agreement")
    page.get_by_text("Nobody has answered yet.").wait_for()
    stage.answer_all(tokens[0], project, lambda clip: {"label": "fear" if clip % 2 else "anger"})
    stage.answer_all(tokens[1], project, lambda clip: {"label": "fear" if clip % 2 and clip != clips[0] else "anger"})
    page.reload()
    page.get_by_role("heading", name="georg").wait_for()
    figures = stage.api.get(f"/api/v1/projects/{project}/agreement").json()
    assert page.locator("[data-alpha]").inner_text() == f"{figures['alpha']['value']:.2f}"
    assert page.locator("[data-kappa]").inner_text() == f"{figures['kappa']['value']:.2f}"
    assert page.locator("[data-pairs] td.k4").count() == 2
