"""Scheme versions over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.specs import DimensionField

ClassName = Annotated[str, Field(min_length=1, max_length=200)]

_SPLIT: JsonDict = {
    "classes": ["hot anger", "cold anger", "joy", "neutral", "sadness"],
    "mapping": {"anger": ["hot anger", "cold anger"], "happiness": ["joy"]},
    "reason": "The pilot showed two kinds of anger.",
    "affected": "ask_again",
}
_VERSION: JsonDict = {
    "version": 1,
    "scheme": {"classes": ["anger", "happiness", "neutral", "sadness"], "dimensions": []},
    "mapping": {
        "anger": ["hot anger", "cold anger"], "happiness": ["joy"], "neutral": ["neutral"], "sadness": ["sadness"]
    },
    "reason": "The pilot showed two kinds of anger.",
    "replaced_at": "2026-01-31T09:00:00Z",
}  # fmt: skip


class SchemeIn(BaseModel):
    """The next version: rename (one successor), merge (a shared one), split (several), or drop a class (none)."""

    model_config = ConfigDict(
        extra="forbid", str_strip_whitespace=True, allow_inf_nan=False, json_schema_extra={"examples": [_SPLIT]}
    )

    classes: list[ClassName] = Field(default=[], max_length=1000, description="All classes of the next version.")
    dimensions: list[DimensionField] | None = Field(
        default=None, max_length=20, description="All its dimensions; as they are when left out."
    )
    mapping: dict[str, list[ClassName]] = Field(
        default={}, max_length=1000, description="Class in use → its successors. A class that stays needs no entry."
    )
    reason: str = Field(min_length=1, max_length=5000)
    affected: Literal["ask_again", "leave"] = Field(
        default="ask_again",
        description="Answers of a class that was split decide nothing any more. ask_again: those who gave them are "
        "asked once more. leave: their clips stay without a label until somebody sends them back.",
    )
    drop_references: bool = Field(
        default=False, description="Whether reference labels of split and dropped classes may be lost."
    )


class VersionOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_VERSION]})

    version: int
    scheme: dict[str, Any]
    mapping: dict[str, list[str]] | None = Field(description="Class → classes of the next version; null in use.")
    reason: str | None = Field(description="Why the next version replaced it.")
    replaced_at: datetime | None


class VersionsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_VERSION]}]})

    items: list[VersionOut] = Field(description="The first version first; the last is in use.")


class ChangedOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": 2, "undecided": 12, "asked_again": 12, "references": 40, "references_dropped": 0}]
        }
    )

    version: int = Field(description="The version in use now.")
    undecided: int = Field(description="Answers that decide nothing until they are given again.")
    asked_again: int = Field(description="Clips put first in the queues of those who answered them.")
    references: int = Field(description="Reference labels that were renamed.")
    references_dropped: int
