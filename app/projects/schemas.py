"""Projects over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from al_core.scheme import Scheme
from al_core.strategies.specs import CoverageThenMargin
from app.annotations.settings import Annotating
from app.paging import Listed
from app.projects.checks import check_scheme
from app.specs import DimensionField, RecipeField, StrategyField

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
GroupColumn = Annotated[str, Field(min_length=1, max_length=100)]


class Fairness(BaseModel):
    """Between which groups every evaluation compares, and how large a gap may be."""

    model_config = ConfigDict(
        extra="forbid", str_strip_whitespace=True, allow_inf_nan=False,
        json_schema_extra={"examples": [{"columns": ["gender", "language"], "limit": 0.1}]},
    )  # fmt: skip

    columns: list[GroupColumn] = Field(
        min_length=1, max_length=10, description="gender, session, or a further column of the manifests."
    )
    limit: float = Field(default=0.1, gt=0, le=1, description="A gap above it is a warning on the round.")


_CREATE: dict[str, Any] = {
    "name": "call centre",
    "classes": ["anger", "happiness", "neutral", "sadness"],
    "dimensions": [{"name": "arousal", "low": 1, "high": 5}],
    "instructions": "Judge the voice, not the words.",
    "encoder": "openai/whisper-tiny.en",
    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 0.1}},
    "strategy": "coverage_then_margin",
    "batch_size": 40,
    "overlap": 1,
    "control_share": 1.0,
    "budget": 400,
    "fairness": {"columns": ["gender"], "limit": 0.1},
}
_CREATE_TRAINED: dict[str, Any] = {
    "name": "call centre, arousal alone",
    "dimensions": [{"name": "arousal", "low": 1, "high": 5}],
    "encoder": "facebook/wav2vec2-base",
    "recipe": {
        "method": {
            "kind": "combined",
            "parts": [{"kind": "lora", "rank": 16}, {"kind": "adapter"}, {"kind": "weighted_sum"}, {"kind": "gate"}],
        },
        "pooling": "attentive",
        "precision": "bf16",
    },
    "strategy": "typiclust",
}
_PROJECT: dict[str, Any] = {
    "id": 1,
    "name": "call centre",
    "scheme": {
        "classes": ["anger", "happiness", "neutral", "sadness"],
        "dimensions": [{"name": "arousal", "low": 1, "high": 5}],
    },
    "scheme_version": 1,
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
    "fairness": {"columns": ["gender"], "limit": 0.1},
    "annotating": {"adaptive": {"at_least": 2, "at_most": 5, "sure": 0.7}, "gold_rate": 0.05},
    "seed": 0,
    "created_at": "2026-01-31T09:00:00Z",
}


class ProjectCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [_CREATE, _CREATE_TRAINED]},
    )

    name: Name
    classes: list[ClassName] = Field(
        default=[], max_length=1000, description="The scheme's classes, in order: at least two, or none."
    )
    dimensions: list[DimensionField] = Field(
        default=[], max_length=20, description="The scheme's dimensions with the ranges of their scales, beside the "
        "classes or without any. A manifest's column of the same name holds their values.",
    )  # fmt: skip
    instructions: Instructions = ""
    encoder: str = Field(min_length=1, max_length=1000, description="A Hugging Face hub id, or a folder of the worker.")
    recipe: RecipeField | None = Field(
        default=None, description="How checkpoints are trained; left out, the standard recipe, a probe."
    )
    strategy: StrategyField = Field(
        default=CoverageThenMargin(),
        description="The query strategy: a name, `module:name` of a modAL-style callable, or an object with `kind`.",
    )
    batch_size: BatchSize = 50
    overlap: Overlap = 1
    lease_s: LeaseS = 300.0
    control_share: ControlShare = 0.0
    budget: Budget | None = None
    fairness: Fairness | None = Field(default=None, description="Groups to compare at every evaluation; null: none.")
    annotating: Annotating = Field(default=Annotating(), description="How the annotators' queue asks.")
    seed: Seed = 0

    @property
    def scheme(self) -> Scheme:
        """Classes and dimensions as the science's scheme."""
        return Scheme(tuple(self.classes), tuple(self.dimensions))

    @model_validator(mode="after")
    def _usable_scheme(self) -> Self:
        if len(self.classes) >= 2 or self.dimensions:  # otherwise the scheme's own sentence names no field
            check_scheme(self.scheme)
            return self
        raise ValueError("classes: at least two are needed, or dimensions: annotators answer with them")


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
    fairness: Fairness | None = None
    annotating: Annotating | None = Field(default=None, description="Changes the fields it has and keeps the others.")

    @model_validator(mode="after")
    def _only_what_may_be_without_end_may_be_null(self) -> Self:
        for name in sorted(self.model_fields_set - {"budget", "fairness"}):
            if getattr(self, name) is None:
                raise ValueError(f"{name}: null is no value; leave the field out to keep it as it is")
        return self


class ProjectOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_PROJECT]})

    name: str
    scheme: dict[str, Any]
    scheme_version: int = Field(description="1, and one more with every change of the scheme.")
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
    fairness: Fairness | None
    annotating: Annotating
    seed: int
    created_at: datetime
