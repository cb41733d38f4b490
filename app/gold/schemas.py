"""Gold clips and qualifications over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.paging import Listed

Use = Literal["gold", "qualification"]
_GOLD: JsonDict = {
    "id": 3,
    "clip_id": 17,
    "use": "gold",
    "labels": ["anger"],
    "dimensions": {"arousal": [3.5, 5.0]},
    "created_at": "2026-01-31T09:00:00Z",
}

ClassName = Annotated[str, Field(min_length=1, max_length=200)]
Bound = Annotated[float, Field(allow_inf_nan=False)]


class GoldClipIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"clip_id": 17, "labels": ["anger"]}]})

    clip_id: int = Field(ge=1, le=2_147_483_647)
    labels: list[ClassName] | None = Field(
        default=None, max_length=1000, description="Any of them is right; the clip's reference label when left out."
    )
    dimensions: dict[str, tuple[Bound, Bound]] = Field(
        default={}, max_length=20, description="Dimension → the range that is right."
    )


class GoldIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"use": "gold", "clips": [{"clip_id": 17, "labels": ["anger"]}]}]},
    )

    use: Use = Field(default="gold", description="Hidden among real clips, or asked before them.")
    clips: list[GoldClipIn] = Field(min_length=1, max_length=1000)


class GoldOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_GOLD]})

    clip_id: int
    use: Use
    labels: list[str]
    dimensions: dict[str, tuple[float, float]]
    created_at: datetime


class GoldsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_GOLD]}]})

    items: list[GoldOut]


class StandingIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "waived"}]})

    state: Literal["waived", "open"] = Field(description="waived: real clips without the test. open: test again.")


class StandingOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account_id": 3, "state": "passed", "asked": 8, "correct": 7}]}
    )

    account_id: int
    state: Literal["open", "passed", "failed", "waived"]
    asked: int = Field(description="Clips of the set that were asked when it was decided.")
    correct: int
