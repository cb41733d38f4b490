"""TAPT over HTTP."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.jobs.schemas import JobOut
from app.specs import TaptRecipeField
from tapt.promotion import Activate, Guard
from tapt.recipe import TaptRecipe

Margin = Annotated[
    float, Field(ge=0, lt=1, description="How far the probe's UAR may fall and still not be worse: 0.01 is a point.")
]
Seeds = Annotated[int, Field(ge=2, le=50, description="Speaker-disjoint folds the probe is measured on.")]
_CONTRASTIVE: JsonDict = {
    "recipe": {
        "objective": {"kind": "contrastive", "mask_share": 0.07},
        "scope": {"kind": "last_blocks", "k": 2},
        "steps": 500,
    },
    "activate": "if_not_worse",
    "margin": 0.01,
}
_VERDICT: JsonDict = {
    "outcome": "not_worse",
    "activated": True,
    "sentence": "the probe's UAR goes from 71.2 to 72.0 %: +0.8 points [-0.4, +2.0], 5 folds; the adapted encoder does "
    "not lose and is used",
    "guard": {"activate": "if_not_worse", "margin": 0.0, "seeds": 5, "least_labels": 40},
    "figure": "UAR",
    "before": 0.712,
    "after": 0.72,
    "gain": 0.008,
    "low": -0.004,
    "high": 0.02,
    "n": 5,
    "layers": [1, 2, 3],
    "against": None,
    "labels": 263,
    "speakers": 5,
    "notes": [],
    "judged_at": "2026-01-31T09:10:00Z",
    "job_id": 17,
}


class _Guarded(BaseModel):
    activate: Activate = Field(
        default="if_not_worse",
        description="Put the adapted encoder to use always, only if a probe on the labels of train and dev does not "
        "lose with it (too few labels: not), or never.",
    )
    margin: Margin = 0.0
    seeds: Seeds = 5

    @property
    def guard(self) -> Guard:
        """How the adapted encoder is judged."""
        return Guard(self.activate, self.margin, self.seeds)


class AdaptRequest(_Guarded):
    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False,
        json_schema_extra={"examples": [{"recipe": {"steps": 100, "seed": 0}}, _CONTRASTIVE]},
    )  # fmt: skip

    recipe: TaptRecipeField = Field(default=TaptRecipe(), description="How much, and what is learned without labels.")


class VerdictRequest(_Guarded):
    """Which adapted encoder is measured again, and what follows from it."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [{}, {"activate": "never", "seeds": 20}]}
    )

    checkpoint_id: int | None = Field(
        default=None, ge=1, le=2_147_483_647, description="An adapted encoder; the newest when left out."
    )


class TaptRun(BaseModel):
    """One adaptation, over all its attempts."""

    run: int = Field(description="The job that began it.")
    job: JobOut = Field(description="The newest attempt.")
    attempts: list[int] = Field(description="Its jobs in order; the events of each tell their part of the loss curve.")
    objective: str
    resumable: bool = Field(description="It failed or was cancelled: `POST /jobs/{id}/resume` goes on where it was.")
    checkpoint_id: int | None
    in_use: bool
    verdict: dict[str, Any] | None = Field(
        description="The newest: outcome, whether it was put to use, the probe's figures, and all of it in a sentence.",
        examples=[_VERDICT],
    )


class TaptOut(BaseModel):
    """Everything TAPT has done in a project, the newest run first, and what is being measured."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"runs": [], "measuring": None, "encoder_checkpoint_id": None}]}
    )

    runs: list[TaptRun]
    measuring: JobOut | None = Field(description="An evaluation that waits or runs.")
    encoder_checkpoint_id: int | None = Field(description="The adapted encoder in use; null: the one that was named.")
