"""Leases, annotations and progress over HTTP."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.models import RoundState

_AT = "2026-01-31T09:05:00Z"
_LEASE: JsonDict = {
    "lease_id": "117.1",
    "expires_at": _AT,
    "clip_id": 42,
    "audio_url": "/api/v1/clips/42/audio",
    "duration_s": 2.4,
    "peaks": [0.02, 0.31, 0.77, 0.4],
}
_ROUND: JsonDict = {"id": 3, "number": 2, "state": "annotating"}
_ANNOTATION: JsonDict = {
    "id": 9,
    "clip_id": 42,
    "label": "anger",
    "skip_reason": None,
    "comment": None,
    "seconds": 4.2,
    "created_at": _AT,
}


class SkipReason(StrEnum):
    """Why a clip was not answered: the first two take it out for everybody, the others leave it to somebody else."""

    BAD_AUDIO = "bad_audio"
    NOT_SPEECH = "not_speech"
    SEVERAL_SPEAKERS = "several_speakers"
    UNSURE = "unsure"


class LeaseRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"count": 1}]})

    count: int = Field(default=1, ge=1, le=20, description="Clips wanted at once.")


class RoundNow(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_ROUND]})

    id: int
    number: int
    state: RoundState


class LeaseOut(BaseModel):
    """A clip to listen to. Nothing tells what a checkpoint predicts, what others answered, or why it was picked."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LEASE]})

    lease_id: str
    expires_at: datetime
    clip_id: int
    audio_url: str
    duration_s: float
    peaks: list[float] = Field(description="Extremes of the waveform per bin, for drawing.")


class LeasesOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"leases": [_LEASE], "round": _ROUND, "remaining": 18}]})

    leases: list[LeaseOut] = Field(description="Empty when there is nothing for you now; `round` says why.")
    round: RoundNow | None = Field(description="The project's latest round; null before the first.")
    remaining: int = Field(description="Answers the round still waits for, yours included; counted up to 1,000.")


class LeaseBeat(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"lease_id": "117.1", "expires_at": _AT}]})

    lease_id: str
    expires_at: datetime


Comment = Annotated[str, Field(max_length=5000)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False, description="Seconds spent on the clip.")]


class AnnotationIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"label": "anger", "seconds": 4.2}]})

    label: str = Field(min_length=1, max_length=200, description="A class of the project's scheme.")
    comment: Comment | None = None
    seconds: Seconds | None = None


class SkipIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "bad_audio"}]})

    reason: SkipReason
    comment: Comment | None = None
    seconds: Seconds | None = None


class AnnotationOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_ANNOTATION]})

    id: int
    clip_id: int
    label: str | None
    skip_reason: SkipReason | None
    comment: str | None
    seconds: float | None
    created_at: datetime


class RoundProgress(BaseModel):
    id: int
    number: int
    state: RoundState
    wanted: int = Field(description="Answers the round asks for: clips × overlap.")
    done: int
    leased: int
    out: int = Field(description="Answers no longer wanted: skipped for everybody, or the round was closed.")
    error: str | None


class AnnotatorProgress(BaseModel):
    account_id: int
    name: str
    annotations: int
    skipped: int
    seconds: float = Field(description="Seconds reported with the answers, in all.")


class ProgressOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "clips": {"train": 300, "dev": 40, "test": 60},
                    "labelled": 80,
                    "budget": 400,
                    "round": _ROUND | {"wanted": 40, "done": 22, "leased": 3, "out": 0, "error": None},
                    "annotators": [
                        {"account_id": 3, "name": "alice", "annotations": 61, "skipped": 2, "seconds": 240.5}
                    ],
                }
            ]
        }
    )

    clips: dict[str, int] = Field(description="Clips by split.")
    labelled: int = Field(description="Training clips with at least one annotation: labels bought so far.")
    budget: int | None = Field(description="Labels the project may buy in all; null: no end.")
    round: RoundProgress | None
    annotators: list[AnnotatorProgress]
