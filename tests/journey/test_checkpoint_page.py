"""A checkpoint's page and the dashboard's richer figures, in Chromium: what is shown, to whom, and on what screens."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from app.db import utcnow
from app.models import Checkpoint, CurvePoint, Job, JobState, Role, Round

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.journey.conftest import Stage, Visit

Enter = Callable[..., "Visit"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}
AROUSAL = {"name": "arousal", "low": 1, "high": 5}
NAMES = ["anger", "happiness", "neutral"]
CLASSES = {
    "uar": 0.71, "uar_low": 0.66, "uar_high": 0.75, "wa": 0.72, "wa_low": 0.67, "wa_high": 0.77,
    "macro_f1": 0.7, "macro_f1_low": 0.64, "macro_f1_high": 0.74, "ece": 0.081, "ece_low": 0.06, "ece_high": 0.12,
    "confusion": [[20, 3, 1], [2, 9, 4], [0, 1, 17]], "per_class_recall": [0.833, 0.6, 0.944], "names": NAMES,
}  # fmt: skip
DIMENSION = {
    "name": "arousal", "ccc": 0.62, "ccc_low": 0.5, "ccc_high": 0.7,
    "rmse": 0.8, "rmse_low": 0.7, "rmse_high": 0.9, "n": 55,
}  # fmt: skip
GAP = {"per_class": [0.23, None, 0.05], "maximum": 0.23, "maximum_low": 0.12, "maximum_high": 0.4, "mean": 0.14}
GROUPS = {
    "groups": [
        {"name": name, "n": 30, "uar": uar, "uar_low": uar - 0.05, "uar_high": uar + 0.05,
         "wa": uar, "wa_low": uar - 0.05, "wa_high": uar + 0.05, "lacks": []}
        for name, uar in (("female", 0.75), ("male", 0.61))
    ],
    "demographic_parity": None,
    "statistical_parity": GAP | {"maximum": 0.08},
    "equal_opportunity": GAP,
    "notes": ["3 clips have no class or no group: they are left out"],
}  # fmt: skip
FIGURES = {
    "n": 57,
    "classes": CLASSES,
    "dimensions": [DIMENSION],
    "fairness": {"gender": GROUPS, "age": {"reason": "no test clip has both a class and a group"}},
}
CELL = {"uar": 0.8, "low": 0.75, "high": 0.85, "n": 120, "dimensions": []}
STAGES = {
    "checkpoint_id": 1, "project": "acted", "classes": NAMES, "dimensions": [],
    "source": {"before": CELL, "after": CELL | {"uar": 0.742}},
    "target": {"before": CELL | {"uar": 0.5}, "after": CELL},
}  # fmt: skip
WARNING = "gender: the gap of equality of opportunity is 0.23 (0.12 to 0.40) on anger, above the limit of 0.1"
NOTE = "the finish pseudo_labels is kept: on dev UAR is 69.0 with it and 68.0 without (+1.0)"
EXAMINED = {
    "split": "test", "clean": {"n": 57, "classes": CLASSES, "dimensions": [DIMENSION]}, "fairness": {}, "warnings": [],
    "noise": [
        {"snr_db": ratio, "n": 57, "classes": CLASSES | {"uar": uar, "uar_low": uar - 0.05, "uar_high": uar + 0.05},
         "dimensions": [DIMENSION]}
        for ratio, uar in ((20, 0.70), (0, 0.41))
    ],
    "job_id": 1, "examined_at": "2026-01-31T09:00:00+00:00",
}  # fmt: skip
RECIPE = {
    "layer": -1, "pooling": "attentive", "head": "linear", "precision": "bf16", "epochs": 12,
    "method": {"kind": "combined", "parts": [
        {"kind": "lora", "rank": 8, "alpha": 1.0, "targets": "feed_forward", "last": None}, {"kind": "gate"}]},
    "start": {"checkpoint": "1", "adaptors": "stack", "classes": [], "new_classes": []},
}  # fmt: skip


def _make(stage: "Stage", name: str, figures: dict[str, Any] = FIGURES, **scheme: Any) -> tuple[int, int]:
    """A project whose newest round has these figures; returns it and its checkpoint."""
    given = {"classes": NAMES, "dimensions": [AROUSAL], "fairness": {"columns": ["gender", "age"], "limit": 0.1}}
    project, _ = stage.make_project(name, [], **(given | scheme))
    turn = stage.open_round(project, 0, [], "finished")
    stage.add_point(project, turn, "strategy", 40, 0.71, 0.05)
    with stage.db.write() as session:
        point = session.scalars(select(CurvePoint).where(CurvePoint.project_id == project)).one()
        checkpoint = session.get_one(Checkpoint, point.checkpoint_id)
        point.figures = figures
        if figures["classes"] is None:
            point.uar = point.uar_low = point.uar_high = point.wa = point.macro_f1 = None
        session.get_one(Round, turn).warnings = [WARNING]
        checkpoint.recipe = RECIPE
        checkpoint.report = {
            "n_labels": 40, "minutes": 1.5, "n_trainable": 123_456, "seconds": 12.5, "epoch": 7, "dev_uar": 0.69,
            "warnings": [], "notes": [NOTE], "two_stage": STAGES, "examinations": {"test": EXAMINED},
        }  # fmt: skip
        return project, checkpoint.id


def _facts(page: "Page") -> dict[str, str]:
    names, told = (page.locator(f".facts {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, told, strict=True))


def _shown(page: "Page") -> None:
    page.locator(".noise-chart .scatterlayer .trace").first.wait_for()


@pytest.mark.browser
def test_a_checkpoint_tells_how_it_was_trained_and_how_good_it_is(enter: Enter, stage: "Stage") -> None:
    project, checkpoint = _make(stage, "told")
    page = enter(Role.VIEWER).open(f"/projects/{project}")
    page.get_by_role("link", name=f"Checkpoint {checkpoint}: figures and recipe").click()
    _shown(page)
    facts = _facts(page)
    assert facts["Method"] == "LoRA (rank 8, alpha 1, targets feed forward) + gate"
    assert facts["Reads"] == "the last hidden state, mean and deviation under attention over time"
    assert (facts["Epochs"], facts["Precision"], facts["Trained weights"]) == ("12", "bf16", "123,456")
    assert facts["Begins from"] == "checkpoint 1, its adaptors frozen below new ones"
    assert facts["Kept"] == "epoch 7, UAR 69.0 % on dev"
    assert facts["Decided"] == f"T{NOTE[1:]}."
    strip = page.locator("[data-strip] > div").all_inner_texts()
    assert strip[0].split("\n") == ["UAR, %", "71.0", "95 % interval 66.0–75.0"]
    assert strip[3].split("\n") == ["Calibration error", "0.08", "95 % interval 0.06–0.12"]
    assert page.locator(".confusion tbody tr").nth(1).inner_text().split() == ["happiness", "2", "9", "4", "60.0"]
    assert "arousal\t0.62 [0.50–0.70]\t0.80 [0.70–0.90]\t55" in page.locator("[data-dimensions]").inner_text()
    stages = page.locator("[data-stages] tbody tr").all_inner_texts()
    assert [(row.split("\n")[0], row.split("\t")[-1]) for row in stages] == [("acted", "−5.8"), ("told", "+30.0")]
    rows = page.locator("[data-noise] tbody tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in rows] == [
        ["clean", "71.0 [66.0–75.0]"], ["20 dB", "70.0 [65.0–75.0]"], ["0 dB", "41.0 [36.0–46.0]"],
    ]  # fmt: skip
    groups = page.locator("[data-groups] .groups").first
    assert "female\t30\t75.0 [70.0–80.0]" in groups.inner_text()
    assert groups.get_by_text("above 0.1").count() == 1
    assert page.get_by_text(WARNING[1:]).count() == 1
    assert page.get_by_role("button", name="Examine under noise").count() == 0
    assert page.get_by_role("button", name="Put to use").count() == 0


@pytest.mark.browser
def test_an_operator_examines_a_checkpoint_and_sees_what_came_of_it(enter: Enter, stage: "Stage") -> None:
    project, checkpoint = _make(stage, "examined")
    with stage.db.write() as session:
        row = session.get_one(Checkpoint, checkpoint)
        row.report = {"n_labels": 40, "warnings": []}
    visit = enter(Role.OPERATOR)
    visit.expected = "409"
    page = visit.open(f"/checkpoints/{checkpoint}")
    page.get_by_text("Not examined yet: the button above does it.").wait_for()
    page.get_by_role("button", name="Examine under noise").click()
    page.get_by_text("no test clip has a reference label").wait_for()
    clip = stage.api.post(
        f"/api/v1/projects/{project}/clips", files={"file": ("t.wav", _voice())},
        data={"speaker": "t", "split": "test", "label": "anger"},
    )  # fmt: skip
    assert clip.is_success, clip.text
    page.get_by_role("button", name="Examine under noise").click()
    page.get_by_text("Examining: queued").wait_for()
    with stage.db.write() as session:
        job = session.scalars(select(Job).where(Job.project_id == project, Job.kind == "examine")).one()
        asked = {"checkpoint_id": checkpoint, "split": "test", "snr_db": [20, 10, 5, 0], "recordings": False}
        assert job.payload == asked
        job.state = JobState.SUCCEEDED
        row = session.get_one(Checkpoint, checkpoint)
        row.report = row.report | {"examinations": {"test": EXAMINED}}
    _shown(page)
    page.get_by_role("button", name="Put to use").click()
    page.get_by_text("The checkpoint is in use from now on.").wait_for()
    page.get_by_role("button", name="Put to use").wait_for(state="hidden")


def _voice() -> bytes:
    wav = io.BytesIO()
    soundfile.write(wav, 0.1 * np.random.default_rng(0).standard_normal(8_000), 16_000, format="WAV")
    return wav.getvalue()


@pytest.mark.browser
def test_an_adapted_encoder_has_a_page_too(enter: Enter, stage: "Stage") -> None:
    project, _ = stage.make_project("adapted", [])
    with stage.db.write() as session:
        made = Checkpoint(
            project_id=project, kind="encoder", folder="adapt-1", encoder_digest="f" * 64, recipe={"steps": 100},
            report={"steps": 100, "clips": 8, "loss": 2.5}, created_at=utcnow(),
        )  # fmt: skip
        session.add(made)
        session.flush()
        checkpoint = made.id
    page = enter(Role.OPERATOR).open(f"/checkpoints/{checkpoint}")
    page.get_by_text("An adapted encoder").wait_for()
    page.locator(".facts dd").first.wait_for()
    assert _facts(page)["steps"] == "100"
    assert page.get_by_role("button", name="Examine under noise").count() == 0
    page.get_by_role("button", name="Put to use").wait_for()


@pytest.mark.browser
def test_a_checkpoint_that_is_not_there_is_told_in_a_page(enter: Enter, stage: "Stage") -> None:
    visit = enter(Role.VIEWER)
    visit.expected = "404"
    page = visit.open("/checkpoints/99999")
    page.get_by_text("There is no checkpoint 99999.").wait_for()


@pytest.mark.browser
def test_the_dashboard_warns_compares_groups_and_draws_every_figure(enter: Enter, stage: "Stage") -> None:
    project, _ = _make(stage, "warned")
    page = enter(Role.VIEWER).open(f"/projects/{project}")
    page.get_by_role("heading", name="Round 0: 1 warning").wait_for()
    assert page.locator("[data-rounds] .pill.over").inner_text() == "1 warning"
    page.locator("[data-fairness] .groups").nth(1).get_by_text("No test clip has both a class and a group.").wait_for()
    assert page.locator("[data-figure]").inner_text() == "71.0"
    page.get_by_role("radio", name="CCC of arousal").check(force=True)
    page.locator("[data-figure]").get_by_text("0.62").wait_for()
    page.locator(".ytitle").get_by_text("CCC of arousal").wait_for()
    assert "0.62 [0.50–0.70]" in page.locator("[data-rounds] tr").inner_text()


@pytest.mark.browser
def test_dimensions_alone_are_shown_without_a_word_of_classes(enter: Enter, stage: "Stage") -> None:
    figures = {"n": 57, "classes": None, "dimensions": [DIMENSION], "fairness": {}}
    scheme = {"classes": [], "fairness": None, "strategy": "typiclust"}
    project, checkpoint = _make(stage, "scales", figures, **scheme)
    with stage.db.write() as session:
        row = session.get_one(Checkpoint, checkpoint)
        row.report = {"n_labels": 40, "warnings": []}
    visit = enter(Role.VIEWER)
    page = visit.open(f"/projects/{project}")
    page.locator("[data-figure]").get_by_text("0.62").wait_for()
    assert page.locator("[data-measures]").is_hidden() and page.locator("[data-fairness-card]").is_hidden()
    assert "UAR" not in page.locator("main").inner_text()
    page = visit.open(f"/checkpoints/{checkpoint}")
    page.locator("[data-strip] dd").first.wait_for()
    assert page.locator("[data-strip] > div").all_inner_texts() == ["CCC of arousal\n0.62\n95 % interval 0.50–0.70"]
    assert page.locator("[data-card=confusion]").is_hidden()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_full_checkpoint_and_dashboard(enter: Enter, stage: "Stage", scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    project, checkpoint = _make(stage, f"axe {scheme}")
    visit = enter(Role.OPERATOR, color_scheme=scheme, reduced_motion="reduce")
    for path in (f"/projects/{project}", f"/checkpoints/{checkpoint}"):
        page = visit.open(path)
        page.locator(".scatterlayer .trace").first.wait_for()
        problems = axe.run(page, options=RULES).response["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in problems] == [], path


@pytest.mark.browser
def test_a_phone_shows_a_checkpoint_without_scrolling_sideways(enter: Enter, stage: "Stage") -> None:
    project, checkpoint = _make(stage, "phone")
    visit = enter(Role.OPERATOR, **PHONE)
    for path in (f"/projects/{project}", f"/checkpoints/{checkpoint}"):
        page = visit.open(path)
        page.locator(".scatterlayer .trace").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 375, path
