"""What cannot work is refused when it is asked for: recipes, strategies and fairness, by name, before any job."""

from typing import Any

import pytest

from al_core.encoders.tiny import build_tiny
from app.db import utcnow
from app.models import Checkpoint, Job, JobState, Project
from app.settings import Settings

AROUSAL = {"name": "arousal", "low": 1, "high": 5}
CLASSES = ["anger", "neutral"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return str(build_tiny("wavlm", tmp_path_factory.mktemp("encoder"), width=16, n_layers=2))


def _create(api, **fields: Any) -> Any:
    return api.post("/projects", json={"name": "p", "classes": CLASSES, "encoder": "nobody/none"} | fields)


BAD_RECIPES = [
    ({"layer": 3}, "recipe.layer is 3: this encoder has hidden states 0 to 2"),
    ({"method": {"kind": "last_k", "k": 3}}, "k is 3: only 2 blocks of this encoder run"),
    ({"method": {"kind": "lora", "targets": ["fc1"]}}, "fc1"),
    ({"method": {"kind": "dora", "targets": ["nothing"]}}, "nothing"),
    ({"method": {"kind": "ia3", "last": 9}}, "last is 9: only 2 blocks of this encoder run"),
    (
        {"precision": "fp16", "method": {"kind": "last_k", "k": 1}},
        'recipe.precision is "fp16": no worker here has a GPU',
    ),
]


@pytest.mark.parametrize(("recipe", "says"), BAD_RECIPES)
def test_a_recipe_the_encoder_cannot_run_is_refused_by_name(api, encoder, recipe, says):
    answer = _create(api, encoder=encoder, recipe=recipe)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:afterloop:recipe_refused")
    assert says in answer.json()["detail"]
    project = _create(api, encoder=encoder).json()["id"]
    for answer in (
        api.call("PATCH", f"/projects/{project}", json={"recipe": recipe}),
        api.post(f"/projects/{project}/rounds", json={"recipe": recipe}),
    ):
        assert answer.status_code == 422 and says in answer.json()["detail"]


def test_an_encoder_this_machine_does_not_have_is_left_to_the_worker(api):
    assert _create(api, encoder="nobody/none", recipe={"layer": 40}).status_code == 201


def test_fp16_is_taken_where_the_workers_have_a_gpu(database, database_url, serve, tmp_path):
    settings = Settings(data=tmp_path / "data", database_url=database_url, gpu="yes", _env_file=None)
    with serve(settings) as api:
        recipe = {"precision": "fp16", "method": {"kind": "lora"}}
        assert _create(api, recipe=recipe).status_code == 201


@pytest.mark.parametrize("strategy", ["entropy", "margin", "least_confidence", "badge", "my_package.mine:query"])
def test_a_strategy_that_reads_probabilities_is_refused_without_classes(api, strategy):
    bare = {"classes": [], "dimensions": [AROUSAL]}
    answer = _create(api, strategy=strategy, **bare)
    assert answer.status_code == 422
    assert "this scheme has dimensions alone; use coverage_then_margin" in answer.json()["detail"]
    project = _create(api, **bare).json()["id"]
    for answer in (
        api.call("PATCH", f"/projects/{project}", json={"strategy": strategy}),
        api.post(f"/projects/{project}/rounds", json={"strategy": strategy}),
    ):
        assert answer.status_code == 422 and "dimensions alone" in answer.json()["detail"]


@pytest.mark.parametrize("strategy", ["random", "core_set", "typiclust", "coverage_then_margin"])
def test_a_strategy_that_reads_embeddings_is_fine_without_classes(api, strategy):
    assert _create(api, classes=[], dimensions=[AROUSAL], strategy=strategy).status_code == 201


def test_a_scheme_may_have_classes_dimensions_or_both(api):
    for name, scheme in {
        "classes": {"classes": CLASSES},
        "dimensions": {"dimensions": [AROUSAL]},
        "both": {"classes": CLASSES, "dimensions": [AROUSAL]},
    }.items():
        answer = api.post("/projects", json={"name": name, "encoder": "nobody/none"} | scheme)
        assert answer.status_code == 201, answer.text
        stored = answer.json()["scheme"]
        assert stored == {"classes": [], "dimensions": []} | scheme


def test_nothing_to_learn_is_refused(api):
    recipe = {"method": {"kind": "bitfit"}, "dimension_weight": 0}
    answer = _create(api, classes=[], dimensions=[AROUSAL], recipe=recipe)
    assert "nothing is left to learn" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (["speaker"], "'speaker' holds no groups"),
        (["arousal"], "'arousal' holds no groups"),
        (["gender", "gender"], "'gender' is named twice"),
    ],
)
def test_fairness_wants_columns_of_groups(api, columns, says):
    answer = _create(api, dimensions=[AROUSAL], fairness={"columns": columns})
    assert answer.status_code == 422 and says in answer.json()["detail"]


def test_fairness_wants_classes(api):
    answer = _create(api, classes=[], dimensions=[AROUSAL], fairness={"columns": ["gender"]})
    assert "fairness: it compares classes between groups" in answer.json()["detail"]


def test_fairness_is_set_changed_and_taken_back(api):
    project = _create(api, fairness={"columns": ["gender", "language"]}).json()
    assert project["fairness"] == {"columns": ["gender", "language"], "limit": 0.1}
    path = f"/projects/{project['id']}"
    assert api.call("PATCH", path, json={"name": "q"}).json()["fairness"] == project["fairness"]
    changed = api.call("PATCH", path, json={"fairness": {"columns": ["session"], "limit": 0.3}}).json()
    assert changed["fairness"] == {"columns": ["session"], "limit": 0.3}
    assert api.call("PATCH", path, json={"fairness": None}).json()["fairness"] is None


@pytest.fixture
def first_stage(api) -> int:
    """A classifier of a project "source" with four classes, trained from the encoder "some/encoder" of digest "a"."""
    made = api.project("source", encoder="some/encoder", classes=["anger", "calm", "fear", "sadness"])
    with api.db.write() as session:
        checkpoint = _checkpoint(made, "a")
        session.add(checkpoint)
        session.flush()
        return checkpoint.id


def _checkpoint(project_id: int, digest: str, kind: str = "classifier") -> Checkpoint:
    return Checkpoint(
        project_id=project_id,
        kind=kind,
        folder=f"{project_id}-{digest}-{kind}",
        encoder_digest=digest,
        recipe={"method": {"kind": "lora"}},
        report={},
        created_at=utcnow(),
    )


def _embedded(api, project_id: int, digest: str) -> None:
    with api.db.write() as session:
        session.add(
            Job(
                project_id=project_id,
                kind="embed",
                state=JobState.SUCCEEDED,
                payload={},
                progress={},
                result={"encoder_digest": digest},
                created_at=utcnow(),
            )
        )


def _second_stage(api, start: dict[str, Any], encoder: str = "some/encoder", **fields: Any) -> Any:
    recipe = {"method": {"kind": "lora"}, "start": start}
    classes = ["anger", "neutral", "sadness"]
    return api.post(
        "/projects", json={"name": "target", "classes": classes, "encoder": encoder, "recipe": recipe} | fields
    )


def test_a_start_from_a_checkpoint_of_the_same_encoder_is_taken(api, first_stage):
    answer = _second_stage(api, {"checkpoint": str(first_stage), "classes": [["calm", "neutral"]]})
    assert answer.status_code == 201, answer.text
    assert answer.json()["recipe"]["start"]["classes"] == [["calm", "neutral"]]


def test_a_start_from_a_probe_is_refused(api, first_stage):
    with api.db.write() as session:
        session.get_one(Checkpoint, first_stage).recipe = {"method": {"kind": "probe"}}
    answer = _second_stage(api, {"checkpoint": str(first_stage), "classes": [["calm", "neutral"]]})
    assert f"checkpoint {first_stage} is a probe, which left the encoder as it was" in answer.json()["detail"]


@pytest.mark.parametrize("adaptors", ["continue", "stack"])
def test_adaptors_are_trained_on_by_the_same_method_and_stacked_by_any(api, first_stage, adaptors):
    with api.db.write() as session:
        session.get_one(Checkpoint, first_stage).recipe = {"method": {"kind": "bitfit"}}
    start = {"checkpoint": str(first_stage), "classes": [["calm", "neutral"]], "adaptors": adaptors}
    answer = _second_stage(api, start)
    assert answer.status_code == (201 if adaptors == "stack" else 422), answer.text
    if adaptors == "continue":
        assert "(bitfit, layer -1): use its method and layer" in answer.json()["detail"]


def test_a_class_the_first_stage_did_not_know_may_be_named_as_new(api, first_stage):
    start = {"checkpoint": str(first_stage), "new_classes": ["neutral"]}
    assert _second_stage(api, start).status_code == 201


@pytest.mark.parametrize("named", ["999", "0", "-1", "a folder", "٣", "9" * 30])
def test_a_start_from_no_checkpoint_is_refused(api, named):
    answer = _second_stage(api, {"checkpoint": named})
    assert answer.status_code == 422
    assert "recipe.start.checkpoint is" in answer.json()["detail"]


def test_a_start_from_an_adapted_encoder_is_refused(api, first_stage):
    with api.db.write() as session:
        adapted = _checkpoint(session.get_one(Checkpoint, first_stage).project_id, "b", "encoder")
        session.add(adapted)
        session.flush()
        named = str(adapted.id)
    assert "an adapted encoder: name a classifier" in _second_stage(api, {"checkpoint": named}).json()["detail"]


@pytest.mark.parametrize("known", [None, "z"])
def test_a_start_from_another_encoder_is_refused(api, first_stage, known):
    if known is not None:
        _embedded(api, api.project("other", encoder="other/encoder"), known)
    answer = _second_stage(api, {"checkpoint": str(first_stage)}, encoder="other/encoder")
    assert f"checkpoint {first_stage} of project 'source' was trained from another encoder" in answer.json()["detail"]


def test_the_same_weights_under_another_name_are_the_same_encoder(api, first_stage):
    _embedded(api, api.project("other", encoder="other/encoder"), "a")
    start = {"checkpoint": str(first_stage), "classes": [["calm", "neutral"]]}
    assert _second_stage(api, start, encoder="other/encoder").status_code == 201


def test_a_first_stage_on_an_adapted_encoder_does_not_fit_the_named_one(api, first_stage):
    with api.db.write() as session:
        session.add(_checkpoint(session.get_one(Checkpoint, first_stage).project_id, "a", "encoder"))
    assert "another encoder" in _second_stage(api, {"checkpoint": str(first_stage)}).json()["detail"]


def test_a_project_on_an_adapted_encoder_starts_from_its_own_kind_only(api, first_stage):
    project = api.project("target", encoder="some/encoder", classes=["anger", "calm", "fear", "sadness"])
    with api.db.write() as session:
        adapted = _checkpoint(project, "b", "encoder")
        session.add(adapted)
        session.flush()
        session.get_one(Project, project).encoder_checkpoint_id = adapted.id
        own = _checkpoint(project, "b")
        session.add(own)
        session.flush()
        own_id = own.id

    def patch(checkpoint: int) -> Any:
        recipe = {"method": {"kind": "lora"}, "start": {"checkpoint": str(checkpoint)}}
        return api.call("PATCH", f"/projects/{project}", json={"recipe": recipe})

    assert "than the adapted one in use here" in patch(first_stage).json()["detail"]
    assert patch(own_id).status_code == 200


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        ([], "recipe.start: the first stage has no class for neutral"),
        ([["joy", "neutral"]], "recipe.start.classes pairs 'joy' with 'neutral'"),
        ([["calm", "joy"]], "recipe.start.classes pairs 'calm' with 'joy'"),
        ([["sadness", "neutral"]], "twice"),
    ],
)
def test_classes_that_cannot_be_mapped_by_name_are_refused(api, first_stage, classes, says):
    answer = _second_stage(api, {"checkpoint": str(first_stage), "classes": classes})
    assert answer.status_code == 422 and says in answer.json()["detail"]
