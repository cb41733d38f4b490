"""The page of TAPT in Chromium: a run as it goes, its alarms, its verdict, and what an operator does about it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.db import utcnow
from app.jobs import queue
from app.models import Checkpoint, Job, JobState, Project, Role, Round

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.journey.conftest import Stage, Visit

Enter = Callable[..., "Visit"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}
TARGETS = """() => [...document.querySelectorAll('button, a, input, select, summary')]
    .filter((e) => e.checkVisibility() && !e.matches('.visually-hidden, .skip-link, [type=hidden], .segments input'))
    .map((e) => [e.outerHTML.slice(0, 90), e.getBoundingClientRect().width, e.getBoundingClientRect().height])
    .filter(([, width, height]) => width < 24 || height < 24)"""
SENTENCE = (
    "the probe's UAR goes from 71.2 to 72.0 %: +0.8 points [-0.4, +2.0], 5 folds; the adapted encoder does not lose "
    "and is used"
)
VERDICT = {
    "outcome": "not_worse", "activated": True, "sentence": SENTENCE, "figure": "UAR", "before": 0.712, "after": 0.72,
    "gain": 0.008, "low": -0.004, "high": 0.02, "n": 5, "layers": [1, 2, 3], "against": None, "labels": 263,
    "speakers": 5, "notes": ["TAPT heard 5 of the speakers, without labels: they are never tested on"], "job_id": 1,
}  # fmt: skip
OF_BEFORE = {name: value for name, value in VERDICT.items() if name != "layers"} | {"layer": 2}


def _project(stage: "Stage", voices: list[bytes], name: str, **given: Any) -> int:
    return stage.make_project(name, voices[:2], **given)[0]


def _begin(stage: "Stage", project: int) -> int:
    """A run that a worker has taken, queued over HTTP."""
    job = stage.api.post(f"/api/v1/projects/{project}/tapt", json={"recipe": {"steps": 100}}).json()["id"]
    with stage.db.write() as session:
        row = session.get_one(Job, job)
        row.state, row.fence, row.started_at = JobState.RUNNING, 1, utcnow()
    return job


def _tell(stage: "Stage", job: int, steps: range) -> None:
    for step in steps:
        report = {
            "stage": "train", "step": step, "steps": 100, "loss": 4.0 - step / 50, "accuracy": 0.2,
            "unit_perplexity": 5 + step / 4, "target_perplexity": 38.2, "embedding_rank": 21.3, "units_used": 30,
            "seconds_audio": 30.0 * step, "seconds": 1.5 * step, "hours_per_hour": 20.0, "left_s": 1.5 * (100 - step),
        }  # fmt: skip
        with stage.db.write() as session:
            queue.report(session, job, 1, report, now=utcnow())


def _end(stage: "Stage", project: int, job: int, verdict: dict[str, Any] = VERDICT) -> int:
    """The run ends well; the id of its checkpoint."""
    with stage.db.write() as session:
        queue.finish(session, job, 1, {"loss": 2.0, "steps": 100}, now=utcnow())
        made = Checkpoint(
            project_id=project, kind="encoder", folder=f"checkpoints/adapt-{job}", encoder_digest=f"adapted {job}",
            recipe={}, report={"verdicts": [verdict | {"judged_at": utcnow().isoformat()}]}, created_at=utcnow(),
        )  # fmt: skip
        session.add(made)
        session.flush()
        session.get_one(Project, project).encoder_checkpoint_id = made.id
        return made.id


def _strip(page: "Page") -> list[str]:
    return page.locator(".figures-strip dd:nth-of-type(1)").all_inner_texts()


@pytest.mark.browser
def test_a_run_is_seen_as_it_goes_and_its_verdict_when_it_ends(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project = _project(stage, voices, "adapts")
    job = _begin(stage, project)
    _tell(stage, job, range(1, 21))
    page = enter(Role.VIEWER).open(f"/projects/{project}")
    page.get_by_role("link", name="TAPT").click()
    page.locator("[data-state]").get_by_text("train 20 of 100").wait_for()
    assert _strip(page) == ["3.60", "10.0", "20", "2 min"]
    assert page.locator("[data-perplexity-note]").inner_text() == "of the targets 38.2"
    assert page.locator("[data-pace-note]").inner_text() == "10 min heard, repeats counted"
    _tell(stage, job, range(21, 31))
    page.locator("[data-loss]").get_by_text("3.40").wait_for()
    page.locator(".scatterlayer .trace").first.wait_for()
    page.get_by_role("radio", name="Perplexity").check(force=True)
    page.locator(".ytitle").get_by_text("Perplexity").wait_for()
    assert page.locator(".scatterlayer .trace").count() == 2
    page.get_by_text("Given when the run has ended.").wait_for()
    checkpoint = _end(stage, project, job)
    page.locator("[data-verdict]").get_by_text("Does not lose", exact=True).wait_for()
    assert page.locator(".verdict-figures dd").all_inner_texts() == ["71.2", "72.0", "+0.8"]
    assert "263 labels of 5 speakers, layers 1, 2 and 3" in page.locator("[data-verdict]").inner_text()
    row = page.locator("[data-runs] tr").inner_text().split("\t")
    assert row == [
        str(job),
        "masked units",
        "succeeded in use",
        "100",
        "2.00",
        "71.2",
        "72.0",
        "+0.8 [−0.4, +2.0]",
        str(checkpoint),
    ]
    assert page.get_by_role("button", name="Resume the run").count() == 0
    assert page.get_by_text("Start a run", exact=True).count() == 0


@pytest.mark.browser
def test_an_alarm_says_what_to_change_and_the_run_is_resumed(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project = _project(stage, voices, "alarmed")
    job = _begin(stage, project)
    _tell(stage, job, range(1, 6))
    with stage.db.write() as session:
        queue.fail(session, job, 1, "TaptCollapseError", "step 70: lower learning_rate", now=utcnow())
    page = enter(Role.OPERATOR).open(f"/projects/{project}/tapt")
    page.get_by_role("heading", name=f"Run {job} stopped: TaptCollapseError").wait_for()
    said = page.locator("[data-alarm-said]").inner_text()
    assert said.startswith(
        "step 70: lower learning_rate. Its last good state is kept. Resumed it would go the same way"
    )
    assert page.locator("[data-alarms] li").nth(1).locator(".pill").inner_text() == "rang"
    page.get_by_role("button", name="Resume the run").click()
    page.get_by_text("The run goes on from its last state.").wait_for()
    with stage.db.read() as session:
        again = session.scalars(select(Job).where(Job.kind == "adapt").order_by(Job.id.desc()).limit(1)).one()
        assert again.payload["run"] == job
    page.locator("[data-alarm]").wait_for(state="hidden")
    assert _strip(page)[0] == "3.90", "the curve of the attempt before stays"
    page.get_by_role("button", name="Cancel the run").click()
    page.locator("[data-state]").get_by_text("cancelled").wait_for()


@pytest.mark.browser
def test_an_operator_starts_a_run_with_the_objectives_own_parameters(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project = _project(stage, voices, "asked for")
    visit = enter(Role.OPERATOR)
    visit.expected = "422"
    page = visit.open(f"/projects/{project}/tapt")
    page.get_by_role("heading", name="Nothing was adapted yet").wait_for()
    page.get_by_text("Start a run", exact=True).click()
    page.get_by_role("textbox", name="steps").fill("0")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("steps is 0: it must be at least 1").wait_for()
    page.get_by_role("textbox", name="steps").fill("7")
    page.get_by_role("textbox", name="learning rate").fill("2e-5")
    page.get_by_role("textbox", name="margin, points of UAR").fill("1.5")
    page.locator("[name='objective.kind']").select_option("contrastive")
    page.get_by_role("textbox", name="negatives").fill("9")
    page.locator("[name='objective.quantiser']").select_option("fresh")
    page.locator("[name='scope.kind']").select_option("last_blocks")
    page.locator("[name='scope.k']").fill("1")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("The run is queued.").wait_for()
    with stage.db.read() as session:
        payload = session.scalars(select(Job.payload).where(Job.project_id == project, Job.kind == "adapt")).one()
    recipe, objective = payload["recipe"], payload["recipe"]["objective"]
    assert (recipe["steps"], recipe["learning_rate"], recipe["scope"]) == (7, 2e-5, {"kind": "last_blocks", "k": 1})
    assert (objective["kind"], objective["negatives"], objective["quantiser"]) == ("contrastive", 9, "fresh")
    assert payload["guard"]["margin"] == pytest.approx(0.015)
    page.locator("[data-state]").get_by_text("queued").wait_for()


@pytest.mark.browser
def test_an_encoder_is_measured_again_and_taken_out_of_use(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project = _project(stage, voices, "measured")
    checkpoint = _end(stage, project, _begin(stage, project), OF_BEFORE)
    page = enter(Role.OPERATOR).open(f"/projects/{project}/tapt")
    page.get_by_text("263 labels of 5 speakers, layer 2", exact=True).wait_for()
    page.get_by_role("button", name="Measure again").click()
    page.get_by_text("The probe is measured again").wait_for()
    page.get_by_text("It is being measured again.").wait_for()
    with stage.db.read() as session:
        asked = session.scalars(select(Job).where(Job.project_id == project, Job.kind == "evaluate_tapt")).one()
        assert asked.payload["checkpoint_id"] == checkpoint
    page.get_by_role("button", name="Use the named encoder").click()
    page.locator("[data-verdict]").get_by_text("not in use").wait_for()
    page.get_by_role("button", name="Use this encoder").click()
    page.locator("[data-verdict]").get_by_text("in use", exact=True).wait_for()
    with stage.db.read() as session:
        assert session.get_one(Project, project).encoder_checkpoint_id == checkpoint


@pytest.mark.browser
def test_the_dashboard_tells_the_verdict_on_the_next_round(enter: Enter, stage: "Stage", voices: list[bytes]) -> None:
    project = _project(stage, voices, "told")
    job = _begin(stage, project)
    stage.open_round(project, 0, [], "finished")
    checkpoint = _end(stage, project, job)
    for number in (1, 2):
        turn = stage.open_round(project, number, [], "finished")
        with stage.db.write() as session:
            row = session.get_one(Round, turn)
            row.encoder_digest, row.created_at = f"adapted {job}", utcnow()
    page = enter(Role.VIEWER).open(f"/projects/{project}")
    note = page.locator("[data-rounds] .encoder-note")
    note.wait_for()
    assert note.inner_text() == f"TAPT, checkpoint {checkpoint}, used here: {SENTENCE}"
    assert page.locator("[data-rounds] tr").nth(1).locator(".encoder-note").count() == 1


def _full(stage: "Stage", voices: list[bytes], name: str) -> int:
    project = _project(stage, voices, name)
    first = _begin(stage, project)
    _tell(stage, first, range(1, 101, 4))
    _end(stage, project, first)
    second = _begin(stage, project)
    _tell(stage, second, range(1, 8))
    with stage.db.write() as session:
        queue.fail(session, second, 1, "TaptNaNError", "step 8: the loss is nan; lower learning_rate", now=utcnow())
    return project


def _shown(page: "Page") -> None:
    page.locator(".scatterlayer .trace").first.wait_for()
    page.get_by_text("Start a run", exact=True).click()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page(enter: Enter, stage: "Stage", voices: list[bytes], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    project = _full(stage, voices, f"axe {scheme}")
    first = stage.api.get(f"/api/v1/projects/{project}/tapt").json()["runs"][1]["run"]
    visit = enter(Role.OPERATOR, color_scheme=scheme, reduced_motion="reduce")
    for path in ("", f"?run={first}"):
        page = visit.open(f"/projects/{project}/tapt{path}")
        _shown(page)
        problems = axe.run(page, options=RULES).response["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in problems] == [], path


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling_and_every_target_can_be_hit(
    enter: Enter, stage: "Stage", voices: list[bytes]
) -> None:
    project = _full(stage, voices, "phone")
    page = enter(Role.OPERATOR, **PHONE).open(f"/projects/{project}/tapt")
    _shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate(TARGETS) == []
