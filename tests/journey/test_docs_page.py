"""The API's pages: drawn without any other origin, and good for trying a request out."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from app.models import Role

if TYPE_CHECKING:
    from tests.journey.conftest import Stage, Visit


@pytest.mark.browser
def test_who_is_signed_in_tries_a_request_from_the_apis_pages(enter: "Callable[..., Visit]", stage: "Stage") -> None:
    project, _ = stage.make_project("read in the API's pages", [])
    page = enter(Role.VIEWER).open("/docs")
    page.locator("#operations-tag-projects").click()
    operation = page.locator("#operations-projects-projects_get_project")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("project_id").fill(str(project))
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .highlight-code code").first
    answer.wait_for()
    assert json.loads(answer.inner_text())["name"] == "read in the API's pages"
