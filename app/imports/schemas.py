"""Imports over HTTP."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ImportRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"manifest": "emodb/manifest.csv", "labels": "evaluation"}]}
    )

    manifest: str = Field(
        min_length=1, max_length=4000, description="A manifest or a corpus folder below the server's import folder."
    )
    labels: Literal["evaluation", "all", "none"] = Field(
        default="evaluation",
        description="Whose labels are kept: those of dev and test clips, everybody's (a labelled seed set), nobody's.",
    )
