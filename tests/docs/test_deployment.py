"""Dockerfile and docker-compose.yml are linted without a Docker engine: they parse, and what they run exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from app.cli import cli

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def afterloop_commands() -> list[list[str]]:
    commands = [service["command"] for service in COMPOSE["services"].values() if "command" in service]
    commands += [json.loads(match) for match in re.findall(r"^CMD (\[.*\])$", DOCKERFILE, flags=re.M)]
    return commands


@pytest.mark.parametrize("command", afterloop_commands(), ids=" ".join)
def test_every_command_the_containers_run_exists_with_its_options(command: list[str]) -> None:
    program, *words = command
    assert program == "afterloop"
    options = [word for word in words if word.startswith("-")]
    path = [word for word in words if not word.startswith("-")]
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0, result.output
    node: Any = get_command(cli)
    for word in path:
        node = node.commands[word]
    known = {name for parameter in node.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(options) <= known


def test_compose_has_the_four_services_in_their_order() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"postgres", "migrate", "api", "worker"}
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in ("api", "worker"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_every_volume_a_service_mounts_is_declared_or_a_folder() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.rsplit(":/", 1)[0] if volume.startswith("$") else volume.split(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith(("${", "./"))


def test_every_file_the_dockerfile_copies_exists() -> None:
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, flags=re.M):
        for source in sources.split():
            assert (ROOT / source).exists(), source


def test_every_variable_of_the_example_environment_is_a_setting() -> None:
    from app.settings import Settings

    names = re.findall(r"^(?:# )?AFTERLOOP_(\w+)=", (ROOT / ".env.example").read_text(), flags=re.M)
    assert {name.lower() for name in names} == set(Settings.model_fields)
