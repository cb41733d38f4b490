"""TAPT over HTTP and on the command line: what may be asked for, what is refused by name, and what is told of it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from al_core.encoders.outline import LOCAL_ATTRIBUTES
from app.cli import cli
from app.db import utcnow
from app.models import Checkpoint, Job, JobState, Project, Round
from app.settings import Settings

WHISPER = {"model_type": "whisper", "encoder_layers": 4, "d_model": 384}
VERDICT = {
    "outcome": "worse", "activated": False, "sentence": "the probe's UAR goes from 71.2 to 70.0 %",
    "figure": "UAR", "against": None, "labels": 263, "speakers": 5, "notes": ["a note"], "job_id": 1,
}  # fmt: skip


@pytest.fixture
def project(api: Any, tmp_path: Path, wav_bytes: Any) -> int:
    """A project of one training clip, whose encoder is known by its configuration alone."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(WHISPER))
    made = api.project(encoder=str(folder))
    api.upload(made, wav_bytes())
    return made


def _adapted(api: Any, project: int, run: int, verdict: dict[str, Any] | None = None) -> int:
    """The id of an adapted encoder, as a job leaves it."""
    with api.db.write() as session:
        verdicts = [] if verdict is None else [VERDICT | {"judged_at": utcnow().isoformat()} | verdict]
        row = Checkpoint(
            project_id=project, kind="encoder", folder=f"checkpoints/adapt-{run}", encoder_digest=f"digest {run}",
            recipe={}, report={"verdicts": verdicts}, created_at=utcnow(),
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


def _end(api: Any, job_id: int, state: JobState, **values: Any) -> None:
    with api.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state=state, **values))


def test_the_schema_names_every_objectives_own_fields_by_its_kind(api: Any) -> None:
    schemas = api.get("/openapi.json", root=True).json()["components"]["schemas"]
    assert {"units", "layers", "predicted_at", "stages"} <= set(schemas["MaskedUnits"]["properties"])
    assert {"quantiser", "negatives", "diversity_weight"} <= set(schemas["Contrastive"]["properties"])
    assert {"attributes", "ema_start", "distillation_weight"} <= set(schemas["LocalAttributes"]["properties"])
    objective = schemas["TaptRecipe"]["properties"]["objective"]
    assert objective["discriminator"]["propertyName"] == "kind"
    assert set(objective["discriminator"]["mapping"]) == {"masked_units", "contrastive", "local_attributes"}
    scope = schemas["TaptRecipe"]["properties"]["scope"]["discriminator"]["mapping"]
    assert set(scope) == {"everything", "last_blocks", "lora"}


def test_what_is_asked_for_is_what_the_job_holds(api: Any, project: int) -> None:
    objective = {"kind": "contrastive", "negatives": 20, "mask_share": 0.07}
    recipe = {"objective": objective, "scope": {"kind": "last_blocks", "k": 4}, "steps": 7}
    body = {"recipe": recipe, "activate": "never", "margin": 0.01, "seeds": 9}
    answer = api.post(f"/projects/{project}/tapt", json=body)
    assert answer.status_code == 202, answer.text
    payload = answer.json()["payload"]
    assert payload["recipe"]["objective"] | objective == payload["recipe"]["objective"]
    assert (payload["recipe"]["scope"], payload["recipe"]["steps"]) == ({"kind": "last_blocks", "k": 4}, 7)
    assert payload["guard"] == {"activate": "never", "margin": 0.01, "seeds": 9, "least_labels": 40}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"recipe": {"objective": {"kind": "masked_units", "layers": [1, 5]}}}, "recipe.objective.layers names hidden"),
        ({"recipe": {"objective": {"predicted_at": [9]}}}, "recipe.objective.predicted_at names hidden state 9"),
        ({"recipe": {"objective": {"kind": "local_attributes", "layer": 5}}}, "recipe.objective.layer names hidden"),
        ({"recipe": {"scope": {"kind": "last_blocks", "k": 5}}}, "recipe.scope.k is 5: this encoder has 4 blocks"),
        ({"recipe": {"scope": {"kind": "lora", "last": 5}}}, "recipe.scope.last is 5"),
        (
            {"recipe": {"scope": {"kind": "last_blocks", "k": 1}, "objective": {"predicted_at": [2, 3]}}},
            "recipe.objective.predicted_at reads nothing above hidden state 3, and only blocks above 3 learn",
        ),
        ({"recipe": {"objective": {"kind": "guessing"}}}, "recipe.objective.kind is 'guessing': use masked_units"),
        ({"recipe": {"objective": {"kind": "contrastive", "units": 4}}}, "recipe.objective.units is unknown"),
        ({"recipe": {"steps": 0}}, "steps is 0: it must be at least 1"),
        ({"recipe": {"scope": {"kind": "lora"}, "objective": {"kind": "local_attributes"}}}, "leave the scope out"),
        ({"activate": "perhaps"}, "activate"),
        ({"margin": -1}, "margin"),
        ({"seeds": 1}, "seeds"),
    ],
)
def test_what_cannot_work_is_refused_by_name_and_nothing_is_queued(
    api: Any, project: int, body: dict[str, Any], said: str
) -> None:
    refused = api.post(f"/projects/{project}/tapt", json=body)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]
    assert [job["kind"] for job in api.get("/jobs").json()["items"]] == ["embed"]


def test_an_encoder_that_has_local_attributes_is_not_adapted_again(
    api: Any, tmp_path: Path, wav_bytes: Any, project: int
) -> None:
    folder = tmp_path / "with attributes"
    folder.mkdir()
    (folder / LOCAL_ATTRIBUTES).write_text(json.dumps({"encoder": str(tmp_path / "encoder"), "layer": 2}))
    made = api.project("attributes", encoder=str(folder))
    api.upload(made, wav_bytes())
    refused = api.post(f"/projects/{made}/tapt")
    assert refused.status_code == 422
    assert "has local attributes already" in refused.json()["detail"]


def test_a_broken_run_is_resumed_by_a_job_that_names_it(api: Any, project: int) -> None:
    first = api.post(f"/projects/{project}/tapt", json={"recipe": {"steps": 7}}).json()["id"]
    assert api.post(f"/jobs/{first}/resume").status_code == 409
    error = {"name": "TaptCollapseError", "detail": "lower learning_rate"}
    _end(api, first, JobState.FAILED, error=error)
    run = api.get(f"/projects/{project}/tapt").json()["runs"][0]
    assert (run["run"], run["resumable"], run["job"]["error"], run["objective"]) == (first, True, error, "masked_units")
    again = api.post(f"/jobs/{first}/resume")
    assert again.status_code == 202
    second = again.json()
    assert second["payload"]["run"] == first
    assert second["payload"]["recipe"]["steps"] == 7
    assert "is queued: there is nothing to resume" in api.post(f"/jobs/{first}/resume").json()["detail"]
    _end(api, second["id"], JobState.CANCELLED)
    third = api.post(f"/jobs/{second['id']}/resume").json()
    assert third["payload"]["run"] == first
    runs = api.get(f"/projects/{project}/tapt", "viewer").json()["runs"]
    assert [(one["run"], one["job"]["id"], one["resumable"]) for one in runs] == [(first, third["id"], False)]
    assert runs[0]["attempts"] == [first, second["id"], third["id"]]


def test_only_tapt_is_resumed_and_only_by_operators(api: Any, project: int) -> None:
    job = api.get("/jobs").json()["items"][0]["id"]
    assert "only TAPT is resumed" in api.post(f"/jobs/{job}/resume").json()["detail"]
    assert api.post(f"/jobs/{job}/resume", "annotator").status_code == 403
    assert api.post("/jobs/999/resume").status_code == 404


def test_an_adapted_encoder_is_measured_again_the_newest_unless_named(api: Any, project: int) -> None:
    path = f"/projects/{project}/tapt/verdicts"
    assert "has no adapted encoder: run TAPT first" in api.post(path).json()["detail"]
    older, newer = _adapted(api, project, 1), _adapted(api, project, 2)
    job = api.post(path, json={"activate": "never", "seeds": 20}).json()
    assert (job["kind"], job["payload"]["checkpoint_id"]) == ("evaluate_tapt", newer)
    assert job["payload"]["guard"]["seeds"] == 20
    assert api.get(f"/projects/{project}/tapt").json()["measuring"]["id"] == job["id"]
    assert api.post(path, json={"checkpoint_id": older}).json()["payload"]["checkpoint_id"] == older
    assert f"has no adapted encoder {newer + 1}" in api.post(path, json={"checkpoint_id": newer + 1}).json()["detail"]
    assert api.post(path, "annotator").status_code == 403


def test_a_run_is_told_with_its_checkpoint_and_its_newest_verdict(api: Any, project: int) -> None:
    run = api.post(f"/projects/{project}/tapt").json()["id"]
    _end(api, run, JobState.SUCCEEDED)
    checkpoint = _adapted(api, project, run, {})
    with api.db.write() as session:
        row = session.get_one(Checkpoint, checkpoint)
        newer = row.report["verdicts"][0] | {"outcome": "not_worse"}
        row.report = {"verdicts": [*row.report["verdicts"], newer]}
        session.get_one(Project, project).encoder_checkpoint_id = checkpoint
    told = api.get(f"/projects/{project}/tapt").json()
    found = told["runs"][0]
    assert (found["checkpoint_id"], found["in_use"], found["resumable"]) == (checkpoint, True, False)
    assert found["verdict"]["outcome"] == "not_worse"
    assert (told["measuring"], told["encoder_checkpoint_id"]) == (None, checkpoint)


def test_a_round_is_told_of_the_verdict_before_it_and_of_whose_encoder_it_used(api: Any, project: int) -> None:
    moment = utcnow()
    for number, minutes in ((0, -10), (1, 10), (2, 20)):
        with api.db.write() as session:
            shared = {"strategy": {"kind": "random"}, "recipe": {}, "seed": 0, "batch_size": 1, "control_size": 0}
            row = Round(
                project_id=project, number=number, state="finished", overlap=1, warnings=[],
                encoder_digest="digest 1" if number == 2 else "the named one's",
                created_at=moment + timedelta(minutes=minutes), **shared,
            )  # fmt: skip
            session.add(row)
    checkpoint = _adapted(api, project, 1, {"judged_at": moment.isoformat()})
    rounds = api.get(f"/projects/{project}/rounds").json()["items"]
    assert [one["encoder_note"] for one in rounds] == [
        None,
        f"TAPT, checkpoint {checkpoint}, not used here: {VERDICT['sentence']}",
        f"TAPT, checkpoint {checkpoint}, used here: {VERDICT['sentence']}",
    ]
    assert api.get(f"/rounds/{rounds[2]['id']}").json()["encoder_note"] == rounds[2]["encoder_note"]


def test_jobs_of_before_there_were_guards_still_say_whether_to_activate(api: Any, project: int) -> None:
    from app.adaptation.service import guard_of

    assert guard_of({"activate": True}).activate == "always"
    assert guard_of({"activate": False}).activate == "never"


@pytest.fixture
def command(settings: Settings, project: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `afterloop tapt …` on the test's database; its result."""
    monkeypatch.setattr("app.settings.get_settings", lambda: settings)
    monkeypatch.setattr("app.cli.opening.get_settings", lambda: settings)
    return lambda *arguments: CliRunner().invoke(cli, ["tapt", *arguments])


def _newest(api: Any) -> Job:
    with api.db.read() as session:
        return session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()


def test_the_command_line_runs_any_objective_and_resumes(api: Any, command: Any) -> None:
    given = ["run", "calls", "--objective", "contrastive", "--set", "objective.negatives=9", "--steps", "3"]
    done = command(*given, "--scope", "lora", "--activate", "never", "--margin", "0.02")
    assert done.exit_code == 0, done.output
    job = _newest(api)
    assert done.output == f"job {job.id} is queued\n"
    recipe = job.payload["recipe"]
    assert (recipe["objective"]["negatives"], recipe["scope"]["kind"], recipe["steps"]) == (9, "lora", 3)
    assert job.payload["guard"] == {"activate": "never", "margin": 0.02, "seeds": 5, "least_labels": 40}
    _end(api, job.id, JobState.FAILED)
    assert command("resume", str(job.id)).output == f"job {job.id + 1} is queued\n"
    assert _newest(api).payload["run"] == job.id


def test_the_command_line_refuses_what_a_recipe_cannot_be(command: Any) -> None:
    refused = command("run", "calls", "--set", "objective.units=1")
    assert refused.exit_code == 2
    assert "recipe.objective.units is 1" in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("read", "said"),
    [({"layers": [1, 2, 3]}, "layers 1, 2 and 3"), ({"layers": [2]}, "layer 2"), ({"layer": 2}, "layer 2")],
    ids=["several", "one", "of before"],
)
def test_the_command_line_prints_a_verdict_or_why_there_is_none(
    api: Any, project: int, command: Any, monkeypatch: pytest.MonkeyPatch, read: dict[str, Any], said: str
) -> None:
    _adapted(api, project, 1, read)
    queued = command("evaluate", "calls", "--no-wait").output
    assert queued == f"job {_newest(api).id} is queued\n"
    assert _newest(api).payload["guard"]["activate"] == "never"

    def worked(_: float) -> None:  # in place of waiting, the worker's end
        with api.db.write() as session:
            job = session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()
            session.execute(update(Job).where(Job.id == job.id).values(**endings.pop(0)))

    endings = [
        {"state": JobState.SUCCEEDED, "result": {"checkpoint_id": _checkpoint(api)}},
        {"state": JobState.FAILED, "error": {"name": "EncoderError", "detail": "the folder is gone"}},
    ]
    monkeypatch.setattr("app.cli.tapt.time.sleep", worked)
    done = command("evaluate", "calls")
    assert done.exit_code == 0, done.output
    assert "the probe's UAR goes from 71.2 to 70.0 %\nagainst the encoder as named, on 263 labels" in done.output
    assert f" of 5 speakers, {said}\n" in done.output
    assert done.output.endswith("note: a note\n")
    failed = command("evaluate", "calls")
    assert failed.exit_code == 1
    assert "is failed: the folder is gone" in failed.output


def _checkpoint(api: Any) -> int:
    with api.db.read() as session:
        return session.scalars(select(Checkpoint.id)).one()
