"""Rounds over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.annotations.rules import OverlapRule
from app.models import Arm, RoundState
from app.paging import Listed
from app.specs import RecipeField, StrategyField

_ROUND: JsonDict = {
    "id": 3,
    "project_id": 1,
    "number": 2,
    "state": "annotating",
    "strategy": {"kind": "coverage_then_margin", "coverage_per_class": 1.0, "candidates_per_pick": 4},
    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 0.1}},
    "seed": 0,
    "batch_size": 40,
    "control_size": 40,
    "overlap": 1,
    "adaptive": None,
    "encoder_digest": "9f2c…",
    "seconds_select": 0.02,
    "error": None,
    "warnings": [],
    "encoder_note": None,
    "created_at": "2026-01-31T09:00:00Z",
    "finished_at": None,
}


class RoundCreate(BaseModel):
    """What this round does differently from the project's defaults."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{}, {"strategy": "badge", "batch_size": 20}]}
    )

    strategy: StrategyField | None = None
    recipe: RecipeField | None = None
    batch_size: int | None = Field(default=None, ge=1, le=100_000)
    control_size: int | None = Field(default=None, ge=0, le=100_000, description="Clips of the random control arm.")
    overlap: int | None = Field(default=None, ge=1, le=100)
    adaptive: OverlapRule | None = Field(
        default=None, description="When to ask more or fewer people; the project's if out."
    )


class RoundOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ROUND]})

    project_id: int
    number: int
    state: RoundState
    strategy: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    batch_size: int
    control_size: int
    overlap: int
    adaptive: OverlapRule | None
    encoder_digest: str | None
    seconds_select: float | None
    error: str | None = Field(description="Why it failed, or why it finished without a learning-curve point.")
    warnings: list[str] = Field(description="What an operator should look at, such as a gap between groups.")
    encoder_note: str | None = Field(
        default=None, description="What TAPT's newest verdict before this round was, and whose encoder the round used."
    )
    created_at: datetime
    finished_at: datetime | None


class PickOut(BaseModel):
    """The receipt of one clip of the acquisition batch."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [{"arm": "strategy", "clip_id": 42, "rank": 0, "score": 0.8}]},
    )

    arm: Arm
    clip_id: int
    rank: int
    score: float = Field(description="What the strategy chose it by; higher is better.")


class RoundWithPicks(RoundOut):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [_ROUND | {"picks": [{"arm": "strategy", "clip_id": 42, "rank": 0, "score": 0.8}]}]
        }
    )

    picks: list[PickOut] | None = Field(
        description="Null for annotators and viewers while the round is open: annotators stay blind."
    )
