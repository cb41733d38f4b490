"""Everybody can use the pages: axe-core finds nothing in light and dark, and a phone needs no sideways scrolling."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from app.models import Role

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.journey.conftest import Stage, Visit

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}
TARGETS = """() => [...document.querySelectorAll('button, a, input, select, textarea, summary, .step, .wave')]
    .filter((e) => e.checkVisibility() && !e.matches('.visually-hidden, .skip-link, [type=hidden], p a'))
    .map((e) => [e.outerHTML.slice(0, 90), e.getBoundingClientRect().width, e.getBoundingClientRect().height])
    .filter(([, width, height]) => width < 24 || height < 24)"""
SAM = [{"name": name, "low": 1, "high": 9} for name in ("valence", "arousal", "dominance")]
Enter = Callable[..., "Visit"]


def _views(stage: "Stage", visit: "Visit", voices: list[bytes], name: str) -> Iterator[tuple[str, "Page"]]:
    """Every page and every dialog an annotator, a reviewer or a reader sees, one after the other."""
    page = visit.page
    settings = {"unclear": True, "several_classes": True}
    mixed, clips = stage.make_project(
        f"{name} mixed", voices[:5], dimensions=SAM, instructions="Judge the voice.", annotating=settings
    )
    stage.open_round(mixed, 0, clips)
    visit.open(f"/projects/{mixed}/annotate")
    page.get_by_role("dialog").wait_for()
    yield "instructions", page
    page.keyboard.press("Enter")
    visit.start_sound()
    page.keyboard.press("v")
    visit.answer("1", "1")
    yield "scales", page
    for key, dialog in (("s", "skip"), ("c", "comment"), ("?", "help")):
        page.keyboard.press(key)
        page.locator(f"dialog[data-dialog={dialog}][open]").wait_for()
        yield dialog, page
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="hidden")
    yield from _reviewer(stage, visit, voices, name)
    plain, _ = stage.make_project(f"{name} plain", [])
    visit.open(f"/projects/{plain}/annotate")
    page.get_by_role("heading", name="Nothing to label yet").wait_for()
    yield "waiting", page
    for path in ("/", f"/projects/{plain}"):
        visit.open(path)
        page.wait_for_load_state("networkidle")
        yield path, page


def _reviewer(stage: "Stage", visit: "Visit", voices: list[bytes], name: str) -> Iterator[tuple[str, "Page"]]:
    """The pages of disputes, agreement and history, with something on them."""
    page = visit.page
    project, clips = stage.make_project(f"{name} reviewed", voices[:12], dimensions=SAM)
    stage.open_round(project, 0, clips, overlap=2)
    tokens = [stage.newcomer(f"{name} {who}") for who in ("one", "two")]
    values = {dimension["name"]: 3.0 for dimension in SAM}
    for token, other in zip(tokens, ("fear", "anger"), strict=True):
        stage.answer_all(
            token,
            project,
            lambda clip, other=other: {
                "label": other if clip in clips[:2] else "neutral",
                "dimensions": values,
                "comment": "a laugh",
            },
        )
    visit.open(f"/projects/{project}/disputes")
    page.get_by_text("1 of 2").wait_for()
    page.keyboard.press("1")
    yield "disputes", page
    visit.open(f"/projects/{project}/agreement")
    page.locator("[data-annotators] h3").first.wait_for()
    yield "agreement", page
    yield "routing", _routed(stage, visit, voices, name, tokens[0])
    visit.context.add_cookies([{"name": "afterloop_token", "value": tokens[0], "url": visit.base}])
    visit.open(f"/projects/{project}/history")
    page.get_by_role("listitem").nth(2).wait_for()
    yield "history", page
    page.get_by_role("button", name="Revise").first.click()
    page.get_by_role("dialog").wait_for()
    yield "revision", page
    visit.context.add_cookies([{"name": "afterloop_token", "value": stage.tokens[Role.ADMIN], "url": visit.base}])


def _routed(stage: "Stage", visit: "Visit", voices: list[bytes], name: str, token: str) -> "Page":
    """The agreement page of a round that routes, with a decision on it."""
    project, clips = stage.make_project(f"{name} routed", voices[:3])
    stage.open_round(project, 0, clips, adaptive={"rule": "routed"})
    stage.answer_all(token, project, lambda clip: {"label": "fear" if clip == clips[0] else "anger"})
    visit.open(f"/projects/{project}/agreement")
    visit.page.locator("[data-routing-rows] tr").nth(2).wait_for()
    return visit.page


@pytest.mark.browser
def test_axe_finds_nothing_on_any_page_light_or_dark(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    visit = enter(Role.ADMIN, reduced_motion="reduce")
    found = {}
    for view, page in _views(stage, visit, voices, "axe"):
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            problems = axe.run(page, options=RULES).response["violations"]
            found[view, scheme] = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in problems]
    assert {view: problems for view, problems in found.items() if problems} == {}
    assert len(found) >= 24


@pytest.mark.browser
def test_a_phone_of_375_pixels_never_scrolls_sideways_and_every_target_can_be_hit(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    visit = enter(Role.ADMIN, **PHONE)
    for view, page in _views(stage, visit, voices, "phone"):
        assert page.evaluate("document.documentElement.scrollWidth") == 375, view
        assert page.evaluate(TARGETS) == [], view
