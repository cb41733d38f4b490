"""Predictions over HTTP."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PredictionRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"split": "train"}, {"checkpoint_id": 4, "split": None}]}
    )

    checkpoint_id: int | None = Field(
        default=None, ge=1, le=2_147_483_647, description="A classifier of the project; the promoted one when left out."
    )
    split: Literal["train", "dev", "test"] | None = Field(default=None, description="Only this split; null for all.")
