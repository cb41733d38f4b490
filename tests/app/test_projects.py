"""Projects over HTTP."""

import pytest

from al_core.peft.specs import Lora
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.specs import Modal, TypiClust
from app.specs import as_json, read_recipe, read_scheme, read_strategy

BODY = {"name": "calls", "classes": ["anger", "neutral"], "encoder": "openai/whisper-tiny.en"}


def test_a_project_comes_back_as_it_was_made_with_its_defaults_filled_in(api):
    made = api.post("/projects", json=BODY | {"recipe": {"layer": 2}, "strategy": "margin", "budget": 40})
    project = made.json()
    assert made.status_code == 201
    assert project == api.get(f"/projects/{project['id']}", role="viewer").json()
    assert project["scheme"] == {"classes": ["anger", "neutral"], "dimensions": []}
    assert project["strategy"] == {"kind": "margin"}
    assert project["recipe"]["layer"] == 2
    assert project["recipe"]["method"] == {"kind": "probe", "c": 0.1, "layers": [], "fusion": "joint"}
    assert (project["batch_size"], project["overlap"], project["control_share"]) == (50, 1, 0.0)


def test_a_project_of_classes_begins_with_the_standard_recipe_and_one_of_dimensions_has_no_finish(api):
    of_classes = api.post("/projects", json=BODY).json()["recipe"]
    assert (of_classes["pooling"], of_classes["method"]["layers"]) == ("active_mean", "quarters")
    assert of_classes["normalise_speakers"] == of_classes["normalise_sentences"] == "auto"
    assert of_classes["finish"]["kind"] == "pseudo_labels"
    scales = {"classes": [], "dimensions": [{"name": "arousal", "low": 1, "high": 5}], "name": "scales"}
    assert api.post("/projects", json=BODY | scales).json()["recipe"]["finish"] is None


def test_the_default_strategy_covers_first_and_then_asks_at_the_margin(api):
    assert api.post("/projects", json=BODY).json()["strategy"]["kind"] == "coverage_then_margin"


@pytest.mark.parametrize(
    ("strategy", "stored"),
    [
        ("badge", {"kind": "badge"}),
        ({"kind": "typiclust", "neighbours": 5}, {"kind": "typiclust", "neighbours": 5}),
        ("my_package.mine:query", {"kind": "modal", "path": "my_package.mine:query"}),
    ],
)
def test_a_strategy_is_a_name_an_import_path_or_an_object(api, strategy, stored):
    assert api.post("/projects", json=BODY | {"strategy": strategy}).json()["strategy"] == stored


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"recipe": {"epochs": 0}}, "body.recipe", "recipe.epochs is 0: it must be at least 1"),
        ({"recipe": {"layr": 1}}, "body.recipe", "recipe.layr is unknown: the fields are accumulate, augment"),
        ({"recipe": {"method": {"kind": "lora", "rnk": 1}}}, "body.recipe", "recipe.method.rnk is unknown"),
        ({"recipe": {"method": {"kind": "magic"}}}, "body.recipe", "use probe, full, last_k, bitfit, lora, dora, ia3"),
        ({"recipe": {"layer": "two"}}, "body.recipe", "recipe.layer is 'two': it must be a whole number"),
        ({"recipe": {"learning_rate": 0}}, "body.recipe", "recipe.learning_rate is 0: it must be above 0"),
        (
            {"recipe": {"method": {"kind": "combined", "parts": [{"kind": "lora", "rank": 0}, {"kind": "gate"}]}}},
            "body.recipe",
            "recipe.method.parts.0.rank is 0: it must be at least 1",
        ),
        (
            {"recipe": {"normalise_speakers": True, "method": {"kind": "lora"}}},
            "body.recipe",
            "recipe.normalise_speakers works on pooled embeddings: use it with the probe",
        ),
        ({"strategy": "magic"}, "body.strategy", "unknown strategy 'magic': choose from random, entropy"),
        ({"strategy": {"kind": "typiclust", "near": 1}}, "body.strategy.typiclust.near", "Unexpected"),
        ({"strategy": "os:system; rm"}, "body.strategy", "no import path"),
        ({"classes": ["anger"]}, "body", "classes: at least two"),
        ({"classes": ["anger", "anger"]}, "body", "a class is named twice"),
        ({"classes": ["anger", " "]}, "body.classes.1", "at least 1 character"),
        ({"classes": []}, "body", "classes: at least two are needed, or dimensions"),
        ({"dimensions": [{"name": "arousal", "low": 1, "high": 1}]}, "body.dimensions.0", "must be below"),
        ({"dimensions": [{"name": "arousal"}]}, "body.dimensions.0", "dimension 'arousal' has no low and no high"),
        ({"dimensions": [{"name": "speaker", "low": 1, "high": 5}]}, "body", "'speaker' is a column of manifests"),
        (
            {"dimensions": [{"name": "arousal", "low": 1, "high": 5}, {"name": "arousal", "low": 0, "high": 1}]},
            "body",
            "dimensions: 'arousal' is named twice",
        ),
        ({"fairness": {"columns": []}}, "body.fairness.columns", "at least 1 item"),
        ({"fairness": {"columns": ["gender"], "limit": 0}}, "body.fairness.limit", "greater than 0"),
        ({"name": ""}, "body.name", "at least 1 character"),
        ({"batch_size": 0}, "body.batch_size", "greater than or equal to 1"),
        ({"batch_size": 10**12}, "body.batch_size", "less than or equal to"),
        ({"control_share": 1.5}, "body.control_share", "less than or equal to 1"),
        ({"lease_s": 0}, "body.lease_s", "greater than 0"),
        ({"encoder": ""}, "body.encoder", "at least 1 character"),
        ({"colour": "red"}, "body.colour", "Extra inputs"),
    ],
)
def test_what_cannot_work_is_refused_with_its_field_and_a_sentence(api, change, field, says):
    answer = api.post("/projects", json=BODY | change)
    assert answer.status_code == 422
    problem = answer.json()["fields"][0]
    assert problem["field"] == field
    assert says in problem["problem"]


@pytest.mark.parametrize("missing", ["name", "encoder"])
def test_a_missing_field_is_named(api, missing):
    answer = api.post("/projects", json={name: value for name, value in BODY.items() if name != missing})
    assert answer.json()["fields"] == [{"field": f"body.{missing}", "problem": "Field required"}]


def test_a_body_that_is_no_json_is_malformed(api):
    answer = api.post("/projects", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_project_name_is_given_once(api):
    api.post("/projects", json=BODY)
    answer = api.post("/projects", json=BODY)
    assert answer.status_code == 409
    assert "choose another name" in answer.json()["detail"]


def test_what_may_change_changes_and_the_rest_stays(api):
    project = api.post("/projects", json=BODY | {"budget": 10}).json()
    changed = api.call(
        "PATCH",
        f"/projects/{project['id']}",
        json={"name": "new", "strategy": "entropy", "budget": None, "recipe": {"layer": 1}},
    )
    assert changed.status_code == 200
    now = api.get(f"/projects/{project['id']}").json()
    assert (now["name"], now["strategy"], now["budget"], now["recipe"]["layer"]) == (
        "new",
        {"kind": "entropy"},
        None,
        1,
    )
    unchanged = ("scheme", "encoder", "seed", "batch_size", "created_at")
    assert {name: now[name] for name in unchanged} == {name: project[name] for name in unchanged}


@pytest.mark.parametrize("change", [{"encoder": "other"}, {"classes": ["a", "b"]}, {"seed": 1}, {"name": None}])
def test_what_earlier_rounds_rest_on_does_not_change(api, change):
    project_id = api.project()
    assert api.call("PATCH", f"/projects/{project_id}", json=change).status_code == 422


def test_a_project_does_not_take_the_name_of_another(api):
    api.project("one")
    two = api.project("two")
    assert api.call("PATCH", f"/projects/{two}", json={"name": "one"}).status_code == 409
    assert api.call("PATCH", f"/projects/{two}", json={"name": "two"}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_unknown_project_is_not_found(api, method):
    answer = api.call(method, "/projects/999", json={} if method == "PATCH" else None)
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no project 999")


def test_projects_are_listed_in_pages(api):
    ids = [api.project(str(number)) for number in range(3)]
    first = api.get("/projects?limit=2").json()
    rest = api.get(f"/projects?limit=2&after={first['next_after']}").json()
    assert [row["id"] for row in first["items"] + rest["items"]] == ids


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Recipe(layer=3, method=Lora(rank=4)), read_recipe),
        (Scheme(("a", "b")), read_scheme),
        (TypiClust(neighbours=3), read_strategy),
        (Modal(path="a.b:c"), read_strategy),
    ],
)
def test_what_a_row_stores_reads_back_as_it_was(value, read):
    assert read(as_json(value)) == value
