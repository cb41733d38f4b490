"""What the pages answer to a plain HTTP client: who may see them, where they lead, what they let a browser do."""

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from app.models import Role
from app.web import assets
from app.web.answering import CLASS_KEYS, UNCLEAR_KEY
from app.web.pages import local_path

if TYPE_CHECKING:
    from tests.journey.conftest import Stage


def _ask(stage: "Stage", path: str, role: Role | None = None, **headers: str) -> httpx.Response:
    cookies = {"afterloop_token": stage.tokens[role]} if role else {}
    return httpx.get(stage.url + path, cookies=cookies, headers=headers)


def test_without_a_token_a_page_asks_to_sign_in_and_remembers_where_to(stage: "Stage") -> None:
    reply = _ask(stage, "/projects/3?x=1")
    assert (reply.status_code, reply.headers["location"]) == (303, "/login?next=/projects/3%3Fx%3D1")


def test_a_viewer_who_wants_to_label_gets_a_page_that_says_why_not(stage: "Stage") -> None:
    project, _ = stage.make_project("viewers only look", [])
    reply = _ask(stage, f"/projects/{project}/annotate", Role.VIEWER)
    assert reply.status_code == 403
    assert "text/html" in reply.headers["content-type"] and "needs the role annotator" in reply.text


@pytest.mark.parametrize("path", ["/projects/999999", "/projects/x", "/static/0/..%2Froutes.py", "/static/0/none.js"])
def test_an_address_that_names_nothing_is_a_page_of_its_own(stage: "Stage", path: str) -> None:
    reply = _ask(stage, path, Role.VIEWER)
    assert reply.status_code == 404
    assert "Traceback" not in reply.text


def test_the_skip_dialog_says_what_becomes_of_the_clip(stage: "Stage") -> None:
    project, _ = stage.make_project("skips", [], annotating={"skips": {"unsure": "later"}})
    page = _ask(stage, f"/projects/{project}/annotate", Role.ANNOTATOR).text
    assert "I cannot tell<small>it comes back to you later</small>" in page
    assert "The audio is broken<small>nobody is asked again</small>" in page


def test_pages_let_the_browser_run_only_this_origins_scripts(stage: "Stage") -> None:
    policy = _ask(stage, "/", Role.VIEWER).headers["content-security-policy"]
    assert "default-src 'self'" in policy and "script-src 'self';" in policy and "unsafe" not in policy


def test_a_script_is_kept_by_the_browser_because_its_address_names_its_version(stage: "Stage") -> None:
    page = _ask(stage, "/login").text
    (sheet,) = re.findall(r'href="(/static/[^"]+/app\.css)"', page)
    assert "immutable" in _ask(stage, sheet).headers["cache-control"]
    assert _ask(stage, "/static/older/app.css").headers["cache-control"] == "no-cache"


def test_another_site_cannot_sign_a_browser_in_or_out(stage: "Stage") -> None:
    for path in ("/login", "/logout"):
        reply = httpx.post(stage.url + path, headers={"Sec-Fetch-Site": "cross-site"}, data={"token": "x"})
        assert reply.status_code == 403


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "", None, "/a\tb", "javascript:1"]
)
def test_signing_in_leads_nowhere_but_to_a_path_of_this_origin(path: str | None) -> None:
    assert local_path(path) == "/"


def test_signing_in_leads_to_a_local_path_with_its_query() -> None:
    assert local_path("/projects/3/annotate?x=1") == "/projects/3/annotate?x=1"


def test_no_class_key_is_a_command_of_any_page() -> None:
    commands = set(re.findall(r'^  "?(.)"?: ', assets.files()["keys.js"].read_text(), flags=re.M))
    commands |= set(re.findall(r'data-decision="\w+" data-key="(.)"', _template("disputes.html")))
    commands |= set(re.findall(r'^  "?(.)"?: \(\)', assets.files()["disputes.js"].read_text(), flags=re.M))
    assert {"r", "s", "z", "[", "x", "l", "n"} <= commands
    keys = CLASS_KEYS + UNCLEAR_KEY
    assert len(set(keys)) == len(keys)
    assert not set(keys) & commands


def _template(name: str) -> str:
    return (assets.FOLDER.parent / "templates" / name).read_text()


@pytest.mark.parametrize("page", ["annotate", "history", "disputes", "agreement", "dashboard"])
def test_a_page_names_every_module_of_its_script_to_the_browser(page: str) -> None:
    needed, unread = set(), {f"{page}.js"}
    while unread:
        source = assets.files()[unread.pop()].read_text()
        found = set(re.findall(r'from "\./([^"]+)"', source))
        unread |= found - needed
        needed |= found
    assert set(assets.modules_of(f"{page}.js")) == needed


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("annotate", Role.ANNOTATOR),
        ("history", Role.ANNOTATOR),
        ("disputes", Role.OPERATOR),
        ("agreement", Role.OPERATOR),
    ],
)
def test_a_page_of_the_annotators_room_opens_for_its_role_and_for_nobody_below(
    stage: "Stage", page: str, least: Role
) -> None:
    project, _ = stage.make_project(f"the room, {page}", [])
    for role in Role:
        reply = _ask(stage, f"/projects/{project}/{page}", role)
        assert (reply.status_code == 200) is (list(Role).index(role) >= list(Role).index(least)), role
        assert "text/html" in reply.headers["content-type"]
    assert _ask(stage, f"/projects/{project}/{page}").status_code == 303


def test_the_pages_find_others_scripts_without_importing_their_packages() -> None:
    packages = {package for _, package, _ in assets.PACKAGED.values()}
    program = f"import sys, app.web.routes, app.web.assets as a; a.files(); print({packages} & {{*sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
