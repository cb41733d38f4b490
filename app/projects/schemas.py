"""Projects over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme, SchemeError
from al_core.strategies.specs import CoverageThenMargin
from app.paging import Listed
from app.specs import RecipeField, StrategyField

Name = Annotated[str, Field(min_length=1, max_length=200, description="Unique among projects.")]
ClassName = Annotated[str, Field(min_length=1, max_length=200)]
Instructions = Annotated[str, Field(max_length=20_000, description="Shown to annotators, as plain text.")]
BatchSize = Annotated[int, Field(ge=1, le=100_000, description="Clips in an acquisition batch.")]
Overlap = Annotated[int, Field(ge=1, le=100, description="Annotators who answer one clip.")]
LeaseS = Annotated[float, Field(gt=0, le=86_400, description="Seconds a clip stays with an annotator.")]
ControlShare = Annotated[
    float, Field(ge=0, le=1, description="Size of the random control arm relative to the acquisition batch.")
]
Budget = Annotated[int, Field(ge=0, le=1_000_000_000, description="Labels the project may buy in all; null: no end.")]
Seed = Annotated[int, Field(ge=0, le=2_147_483_647, description="Every random choice of the project follows from it.")]

_CREATE: dict[str, Any] = {
    "name": "call centre",
    "classes": ["anger", "happiness", "neutral", "sadness"],
    "instructions": "Judge the voice, not the words.",
    "encoder": "openai/whisper-tiny.en",
    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 0.1}},
    "strategy": "coverage_then_margin",
    "batch_size": 40,
    "overlap": 1,
    "control_share": 1.0,
    "budget": 400,
}
_PROJECT: dict[str, Any] = {
    "id": 1,
    "name": "call centre",
    "scheme": {"classes": ["anger", "happiness", "neutral", "sadness"], "dimensions": []},
    "instructions": "Judge the voice, not the words.",
    "encoder": "openai/whisper-tiny.en",
    "encoder_checkpoint_id": None,
    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 0.1}},
    "strategy": {"kind": "coverage_then_margin", "coverage_per_class": 1.0, "candidates_per_pick": 4},
    "batch_size": 40,
    "overlap": 1,
    "lease_s": 300.0,
    "control_share": 1.0,
    "budget": 400,
    "seed": 0,
    "created_at": "2026-01-31T09:00:00Z",
}


class ProjectCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [_CREATE]},
    )

    name: Name
    classes: list[ClassName] = Field(max_length=1000, description="The scheme's classes, in order: at least two.")
    dimensions: list[Dimension] = Field(default=[], max_length=20, description="The scheme's dimensions and ranges.")
    instructions: Instructions = ""
    encoder: str = Field(min_length=1, max_length=1000, description="A Hugging Face hub id, or a folder of the worker.")
    recipe: RecipeField = Field(default=Recipe(), description="How checkpoints are trained.")
    strategy: StrategyField = Field(
        default=CoverageThenMargin(),
        description="The query strategy: a name, `module:name` of a modAL-style callable, or an object with `kind`.",
    )
    batch_size: BatchSize = 50
    overlap: Overlap = 1
    lease_s: LeaseS = 300.0
    control_share: ControlShare = 0.0
    budget: Budget | None = None
    seed: Seed = 0

    @property
    def scheme(self) -> Scheme:
        """Classes and dimensions as the science's scheme."""
        return Scheme(tuple(self.classes), tuple(self.dimensions))

    @model_validator(mode="after")
    def _usable_scheme(self) -> Self:
        if self.dimensions:
            raise SchemeError("dimensions: this version annotates classes only; leave the field out")
        if len(self.classes) < 2:
            raise SchemeError("classes: at least two are needed, annotators answer with one of them")
        _ = self.scheme
        return self


class ProjectPatch(BaseModel):
    """What may change while a project runs: not the scheme, the encoder or the seed, which earlier rounds rest on."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"instructions": "Judge the voice, not the words.", "batch_size": 20}]},
    )

    name: Name | None = None
    instructions: Instructions | None = None
    recipe: RecipeField | None = None
    strategy: StrategyField | None = None
    batch_size: BatchSize | None = None
    overlap: Overlap | None = None
    lease_s: LeaseS | None = None
    control_share: ControlShare | None = None
    budget: Budget | None = None

    @model_validator(mode="after")
    def _only_the_budget_may_be_null(self) -> Self:
        for name in sorted(self.model_fields_set - {"budget"}):
            if getattr(self, name) is None:
                raise ValueError(f"{name}: null is no value; leave the field out to keep it as it is")
        return self


class ProjectOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_PROJECT]})

    name: str
    scheme: dict[str, Any]
    instructions: str
    encoder: str
    encoder_checkpoint_id: int | None = Field(description="The adapted encoder in use, once TAPT has made one.")
    recipe: dict[str, Any]
    strategy: dict[str, Any]
    batch_size: int
    overlap: int
    lease_s: float
    control_share: float
    budget: int | None
    seed: int
    created_at: datetime
