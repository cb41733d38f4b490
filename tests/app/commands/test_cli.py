"""The command line as an operator uses it: a fresh folder, one SQLite file, real audio."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from al_core.corpora.espeak import speak_corpus
from al_core.encoders.tiny import build_tiny
from app.db import Database
from app.models import Project

Run = Callable[..., Any]  # what comes back has returncode, stdout and stderr


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third of the demo corpus: 160 clips with every speaker and emotion among them."""
    manifest = speak_corpus(tmp_path_factory.mktemp("spoken"))
    head, *rows = manifest.read_text(encoding="utf-8").splitlines()
    manifest.write_text("\n".join([head, *rows[::3], ""]), encoding="utf-8")
    return manifest


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("whisper", tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def process(run: Run, tmp_path: Path) -> Run:
    """`run` in a process of its own, as an operator's shell starts it."""

    def afterloop(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from app.cli import main; main()", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)

    return afterloop


def test_a_project_is_made_filled_and_exported(run: Run, spoken: Path, tiny_encoder: Path) -> None:
    made = run("project", "create", "p", "--classes", "anger,happiness,neutral,sadness", "--encoder", str(tiny_encoder))
    assert (made.returncode, made.stdout.strip()) == (0, "1"), made.stderr
    first = run("import", "p", str(spoken))
    assert (first.returncode, "160 created, 0 unchanged" in first.stdout) == (0, True), first.stdout + first.stderr
    second = run("import", "p", str(spoken))
    assert "0 created, 160 unchanged, 0 in conflict, 0 refused" in second.stdout
    labels = run("export", "p", "--what", "labels")
    rows = [json.loads(line) for line in labels.stdout.splitlines()]
    assert rows
    assert {row["split"] for row in rows} == {"dev", "test"}, "training labels are for annotators to give"
    assert "acquiring" in run("round", "start", "p").stdout


def test_refused_clips_are_named_and_the_exit_code_tells(run: Run, tmp_path: Path, spoken: Path) -> None:
    run("project", "create", "p", "--classes", "anger,happiness", "--encoder", "nowhere")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "noise.wav").write_bytes(b"this is not audio")
    (broken / "manifest.csv").write_text(
        "path,speaker,label,split\n" + "".join(f"{p},a,anger,train\n" for p in ("noise.wav", "../x.wav", "gone.wav"))
    )
    result = run("import", "p", str(broken / "manifest.csv"))
    assert result.returncode == 2
    assert "3 refused" in result.stdout
    for name in ("noise.wav", "../x.wav", "gone.wav"):
        assert name in result.stderr


def test_a_token_is_printed_once_and_kept_as_a_hash(process: Run, run: Run, tmp_path: Path) -> None:
    token = process("token", "create", "alice", "--role", "admin").stdout.strip()
    assert len(token) >= 32
    assert token.encode() not in (tmp_path / "data" / "afterloop.db").read_bytes()
    assert "alice\tadmin\tactive" in run("token", "list").stdout


def test_the_database_goes_up_and_down(run: Run) -> None:
    assert run("db", "upgrade").returncode == 0
    assert "base" in run("db", "downgrade", "base").stdout
    assert run("db", "current").stdout.strip() == "base"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("project", "create", "p", "--classes", "anger", "--encoder", "x"), 1, "two classes"),
        (("round", "start", "nobody"), 1, "nobody"),
        (("token", "create", "bob", "--role", "emperor"), 2, "emperor"),
        (("simulate", "--manifest", "gone.csv", "--encoder", "x"), 1, "gone.csv"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_stack_trace(run: Run, words: tuple[str, ...], code: int, told: str) -> None:
    result = run(*words)
    assert result.returncode == code, result.stderr
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_the_process_ends_with_that_sentence_and_code(process: Run) -> None:
    result = process("round", "start", "nobody")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1 and "nobody" in result.stderr


def test_simulate_writes_the_same_file_twice_apart_from_seconds(
    run: Run, tmp_path: Path, spoken: Path, tiny_encoder: Path
) -> None:
    options = ["--manifest", str(spoken), "--encoder", str(tiny_encoder), "--seeds", "2", "--fractions", "0.1,0.2"]
    texts = []
    for name in ("a.json", "b.json"):
        result = run(
            "simulate", *options, "--strategy", "random", "margin", "--output", name, "--cache", str(tmp_path / name[0])
        )
        assert result.returncode == 0, result.stderr
        texts.append(json.loads((tmp_path / name).read_text(), object_hook=_without_seconds))
    assert texts[0] == texts[1]
    assert set(texts[0]) == {"corpus", "encoder", "scheme", "dimensions", "full", "points", "aulc", "versions"}
    assert len(texts[0]["points"]) == 2 * 2 * 2
    assert set(texts[0]["aulc"]) == {"random", "margin"}


def _without_seconds(plain: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in plain.items() if not name.startswith("seconds")}


def test_a_project_has_the_dimensions_fairness_and_recipe_it_was_given(
    run: Run, tmp_path: Path, tiny_encoder: Path
) -> None:
    recipe = tmp_path / "lora.json"
    recipe.write_text(json.dumps({"method": {"kind": "lora", "rank": 2}, "pooling": "attentive"}))
    scales = ("--dimensions", "arousal:1:5,valence:-1:1", "--encoder", str(tiny_encoder))
    made = run(
        "project",
        "create",
        "p",
        "--classes",
        "a,b",
        *scales,
        "--fairness",
        "gender,language:0.2",
        "--recipe",
        "lora.json",
    )
    assert made.returncode == 0, made.stderr
    assert "a, b, arousal, valence" in run("project", "list").stdout
    with Database(f"sqlite:///{tmp_path / 'data' / 'afterloop.db'}").read() as session:
        project = session.scalars(select(Project)).one()
    assert project.scheme["dimensions"][1] == {"name": "valence", "low": -1.0, "high": 1.0}
    assert project.fairness == {"columns": ["gender", "language"], "limit": 0.2}
    assert (project.recipe["method"]["rank"], project.recipe["pooling"]) == (2, "attentive")
    changed = run("project", "change", "p", "--fairness", "session:0.3", "--strategy", "typiclust")
    assert changed.stdout.strip() == "p: strategy, fairness changed"
    assert "warnings" in run("round", "list", "p").stdout
    assert run("checkpoint", "list", "p").returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--dimensions", "arousal"), "'arousal' is no dimension: write name:low:high"),
        (("--dimensions", "arousal:5:1"), "low 5.0 must be below high 1.0"),
        (("--dimensions", "arousal:1:5", "--strategy", "entropy"), "this scheme has dimensions alone"),
        (("--classes", "a,b", "--fairness", "gender:2"), "one limit above 0 and up to 1"),
        (("--classes", "a,b", "--fairness", "speaker:0.2"), "'speaker' holds no groups"),
        (("--classes", "a,b", "--recipe", "bad.json"), "hidden states 0 to 3"),
        (("--classes", "a,b", "--recipe", "bad.json", "--layer", "1"), "--recipe says everything"),
        ((), "a scheme needs at least two classes, or a dimension"),
    ],
)
def test_options_that_cannot_work_are_a_sentence(
    run: Run, tmp_path: Path, tiny_encoder: Path, options: tuple[str, ...], says: str
) -> None:
    (tmp_path / "bad.json").write_text('{"layer": 40}')
    refused = run("project", "create", "p", "--encoder", str(tiny_encoder), *options)
    assert refused.returncode != 0
    assert says in " ".join(refused.stderr.replace("│", " ").split()), refused.stderr
    assert "Traceback" not in refused.stderr
