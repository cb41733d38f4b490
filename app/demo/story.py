"""The main job from audio to learning curve, told through the service's own HTTP API."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from al_core.recipe import standard_recipe
from app.demo.annotators import Annotators
from app.errors import AppError
from app.specs import as_json


class DemoError(AppError):
    """The demo could not go on; the sentence is the service's own."""

    name = "demo"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo does.

    Attributes:
        manifest: the corpus; its train labels are known to the simulated annotators only.
        encoder: Hugging Face id or folder.
        layer: the one hidden state the standard recipe's probe reads; None for its three.
        tapt_steps: steps of adaptation on the unlabeled training audio; 0 leaves the encoder as it is.
        rounds: how many, the seed set included.
        batch_size: labels a round and arm; 0 means a twenty-fourth of the training clips.
        strategy: of the strategy arm; the control arm of the same size is random.
        annotator_error: probability that a simulated annotator answers wrongly.
        seed: of everything.
    """

    manifest: Path
    encoder: str
    layer: int | None
    tapt_steps: int
    rounds: int
    batch_size: int
    strategy: str
    annotator_error: float
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of what is happening now."""

    stage: str
    done: float
    total: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo leaves behind; `verdict` says whether TAPT helped, None where there was none."""

    project_id: int
    n_clips: int
    n_train: int
    classes: list[str]
    points: list[dict[str, Any]]
    seconds: float
    verdict: str | None


class Story:
    """Runs a plan against a service; `tell` yields progress and leaves its result in `outcome`."""

    def __init__(self, plan: Plan, base_url: str, operator: str, annotators: list[str]) -> None:
        self._plan, self._base_url, self._annotators = plan, base_url, annotators
        headers = {"Authorization": f"Bearer {operator}"}
        self._http = httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=60)
        self.outcome: Outcome | None = None

    def tell(self) -> Iterator[Progress]:
        """Project, clips, TAPT, rounds with annotators over HTTP, learning curve."""
        from al_core.corpora.read import read_corpus

        started = time.perf_counter()
        corpus = read_corpus(self._plan.manifest)
        labels = {clip.external_id: clip.label for clip in corpus.clips if clip.label}
        classes = sorted(set(labels.values()))
        n_train_hint = sum(clip.split in (None, "train") for clip in corpus.clips)
        batch_size = self._plan.batch_size or max(2 * len(classes), n_train_hint // 24)
        project = self._create_project(corpus.name, classes, batch_size)
        imported = self._post(f"/projects/{project}/imports", {"manifest": str(self._plan.manifest)})
        yield from self._follow("import", imported["id"])
        clips = list(self._clips(project))
        truth = {clip["id"]: labels[clip["external_id"]] for clip in clips}
        yield from self._wait_for_embedding(project)
        verdict = None
        if self._plan.tapt_steps:
            body = {"recipe": {"steps": self._plan.tapt_steps, "seed": self._plan.seed}}
            adapting = self._post(f"/projects/{project}/tapt", body)["id"]
            yield from self._follow("TAPT", adapting)
            verdict = self._get(f"/jobs/{adapting}")["result"]["verdict"]
            yield from self._wait_for_embedding(project)
        people = Annotators(
            self._base_url, self._annotators, project, truth, classes, self._plan.annotator_error, self._plan.seed
        )
        with people:
            for number in range(self._plan.rounds):
                yield from self._round(project, number, people)
        self.outcome = Outcome(
            project_id=project,
            n_clips=len(clips),
            n_train=sum(clip["split"] == "train" for clip in clips),
            classes=classes,
            points=self._get(f"/projects/{project}/curve")["points"],
            seconds=time.perf_counter() - started,
            verdict=verdict,
        )

    def _create_project(self, name: str, classes: list[str], batch_size: int) -> int:
        body = {
            "name": name,
            "classes": classes,
            "instructions": "Listen to the voice, not the words. Which emotion do you hear?",
            "encoder": self._plan.encoder,
            "recipe": as_json(standard_recipe(self._plan.layer)),
            "strategy": self._plan.strategy,
            "batch_size": batch_size,
            "control_share": 1.0,
            "seed": self._plan.seed,
        }
        return int(self._post("/projects", body)["id"])

    def _round(self, project: int, number: int, people: Annotators) -> Iterator[Progress]:
        opened = self._post(f"/projects/{project}/rounds", {})
        while True:
            state = self._get(f"/rounds/{opened['id']}")
            yield Progress("rounds", number, self._plan.rounds, f"round {number}: {state['state'].replace('_', ' ')}")
            if state["state"] in ("failed", "cancelled") or people.failures:
                raise DemoError(state.get("error") or "; ".join(people.failures[:3]) or "the round was cancelled")
            if state["state"] == "finished":
                break
            time.sleep(0.1)
        yield Progress("rounds", number + 1, self._plan.rounds, f"round {number}: finished")

    def _wait_for_embedding(self, project: int) -> Iterator[Progress]:
        for job in self._get("/jobs", project_id=project)["items"]:
            if job["kind"] == "embed" and job["state"] in ("queued", "running"):
                yield from self._follow("embed", job["id"])

    def _follow(self, stage: str, job_id: int) -> Iterator[Progress]:
        while True:
            job = self._get(f"/jobs/{job_id}")
            report = job["progress"] or {}
            total = float(report.get("total") or report.get("steps") or 1)
            done = float(report.get("done") or report.get("step") or 0)
            yield Progress(stage, total if job["state"] == "succeeded" else done, total, _detail(report))
            if job["state"] == "succeeded":
                return
            if job["state"] in ("failed", "cancelled"):
                why = (job["error"] or {}).get("detail", "the worker's log says why")
                raise DemoError(f"the {job['kind']} job {job['state']}: {why}")
            time.sleep(0.1)

    def _clips(self, project: int) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self._get(f"/projects/{project}/clips", after=after, limit=1000)
            yield from page["items"]
            after = page["next_after"]

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._answer(self._http.get(path, params=query))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._answer(self._http.post(path, json=body))

    @staticmethod
    def _answer(reply: httpx.Response) -> dict[str, Any]:
        if reply.is_error:
            raise DemoError(reply.json().get("detail", reply.text))
        answer: dict[str, Any] = reply.json()
        return answer


def _detail(report: dict[str, Any]) -> str:
    told = {name: report[name] for name in ("loss", "unit_perplexity", "units_used") if name in report}
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in told.items())
