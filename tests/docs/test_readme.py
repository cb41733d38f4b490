"""The README is checked against the disk: its tree, its make targets and its command lines."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.cli import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FENCES = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.S)
TREE = next(body for language, body in FENCES if language == "tree")
SHELL = "\n".join(body for language, body in FENCES if language == "sh").replace("\\\n", " ")


def tree_paths() -> list[str]:
    """Paths of the README's tree: two spaces of indent a level, the path before the first run of two spaces."""
    parents: list[str] = []
    paths = []
    for line in filter(str.strip, TREE.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.strip().split("  ")[0].strip()
        parents = [*parents[:depth], name]
        paths.append("".join(parents))
    return paths


@pytest.mark.parametrize("path", tree_paths())
def test_every_line_of_the_tree_is_on_disk(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_source_file_stands_in_the_tree_or_in_a_folder_of_it() -> None:
    told = tree_paths()
    leaves = {path for path in told if not any(other != path and other.startswith(path) for other in told)}
    for package in ("app", "al_core", "tapt", "bench"):
        for file in (ROOT / package).rglob("*.py"):
            path = str(file.relative_to(ROOT))
            folders = {str(parent) + "/" for parent in file.relative_to(ROOT).parents}
            assert path in told or folders & leaves or file.name == "__init__.py", f"{path} is missing from the README"


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w[\w-]*)", SHELL, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def afterloop_lines() -> list[str]:
    return re.findall(r"^(?:\.venv/bin/)?afterloop (.+?)(?:\s+#.*)?$", SHELL, flags=re.M)


@pytest.mark.parametrize("line", afterloop_lines())
def test_every_command_line_is_understood(line: str) -> None:
    words = shlex.split(line)
    node: Any = get_command(cli)
    while words and not words[0].startswith("-") and words[0] in getattr(node, "commands", {}):
        node = node.commands[words.pop(0)]
    known = {name for parameter in node.params for name in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.split("=")[0] for word in words if word.startswith("-")}
    assert used <= known, f"unknown option in: afterloop {line}"


def test_every_script_named_exists() -> None:
    for script in re.findall(r"`(bench/\w+\.py)`", README):
        assert (ROOT / script).exists(), script


def test_no_document_holds_a_placeholder() -> None:
    for document in ROOT.glob("**/*.md"):
        if ".venv" not in document.parts:
            assert "@@" not in document.read_text(), document
