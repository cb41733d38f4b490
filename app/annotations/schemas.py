"""Leases, annotations and progress over HTTP."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.annotations.settings import SkipReason
from app.models import RoundState

_AT = "2026-01-31T09:05:00Z"
_LEASE: JsonDict = {
    "lease_id": "117.1",
    "expires_at": _AT,
    "clip_id": 42,
    "audio_url": "/api/v1/clips/42/audio",
    "duration_s": 2.4,
    "peaks": [0.02, 0.31, 0.77, 0.4],
    "guess": None,
}
_LEASES: JsonDict = {"leases": [_LEASE], "round": {"id": 3, "number": 2, "state": "annotating"}}
_LEASES |= {"remaining": 18, "qualification": None}
_ROUND: JsonDict = {"id": 3, "number": 2, "state": "annotating"}
_ANNOTATION: JsonDict = {
    "id": 9,
    "clip_id": 42,
    "label": "anger",
    "intensities": None,
    "unclear": False,
    "dimensions": {"arousal": 4.0},
    "skip_reason": None,
    "comment": None,
    "seconds": 4.2,
    "scheme_version": 1,
    "shown": None,
    "created_at": _AT,
}


class LeaseRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"count": 1}]})

    count: int = Field(default=1, ge=1, le=20, description="Clips wanted at once.")


class RoundNow(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_ROUND]})

    id: int
    number: int
    state: RoundState


class GuessOut(BaseModel):
    """What a checkpoint hears in the clip."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"checkpoint_id": 4, "label": "anger", "probabilities": {"anger": 0.7, "neutral": 0.3}}]
        }
    )

    checkpoint_id: int
    label: str
    probabilities: dict[str, float]


class LeaseOut(BaseModel):
    """A clip to listen to. Nothing tells what others answered, why it was picked, or whether its answer is known."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LEASE]})

    lease_id: str
    expires_at: datetime
    clip_id: int
    audio_url: str
    duration_s: float
    peaks: list[float] = Field(description="Extremes of the waveform per bin, for drawing.")
    guess: GuessOut | None = Field(description="Null unless the project shows the promoted checkpoint's guess.")


Qualification = Annotated[
    Literal["open", "passed", "failed"] | None,
    Field(description="Whether you may annotate; null where no test is asked. While open, its clips come first."),
]


class LeasesOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_LEASES]})

    leases: list[LeaseOut] = Field(description="Empty when there is nothing for you now; `round` says why.")
    round: RoundNow | None = Field(description="The project's latest round; null before the first.")
    remaining: int = Field(description="Answers the round still waits for, yours included; counted up to 200.")
    qualification: Qualification


class UndoIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"count": 1}]})

    count: int = Field(default=1, ge=1, le=20, description="Answers and skips to take back, the newest first.")


class UndoneOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"leases": [_LEASE], "withdrawn": [9]}]})

    leases: list[LeaseOut] = Field(description="The clips, yours again under new lease ids, the newest answer first.")
    withdrawn: list[int] = Field(description="Ids of the annotations that count no more.")


class LeaseBeat(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"lease_id": "117.1", "expires_at": _AT}]})

    lease_id: str
    expires_at: datetime


Comment = Annotated[str, Field(max_length=5000)]
Intensity = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
DimensionValue = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False, description="Seconds spent on the clip.")]


class AnnotationIn(BaseModel):
    """One class, several with intensities, or that none can be told; and values of the scheme's dimensions."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"label": "anger", "seconds": 4.2},
                {"intensities": {"anger": 0.8, "sadness": 0.3}, "dimensions": {"arousal": 4.0}},
                {"unclear": True, "comment": "mostly laughter"},
            ]
        },
    )

    label: str | None = Field(
        default=None, min_length=1, max_length=200, description="A class of the project's scheme."
    )
    intensities: dict[str, Intensity] | None = Field(
        default=None, max_length=1000, description="Class → 0–1, where the project allows several."
    )
    unclear: bool = Field(default=False, description="No class can be told, where the project allows that.")
    dimensions: dict[str, DimensionValue] | None = Field(
        default=None, max_length=20, description="Dimension → value on its own scale."
    )
    comment: Comment | None = None
    seconds: Seconds | None = None
    scheme_version: int | None = Field(
        default=None, ge=1, description="The version of the scheme on your screen; the newest when left out."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.label is None and self.intensities is None and not self.unclear and not self.dimensions:
            raise ValueError("label: send a label, intensities, dimensions, or unclear")
        return self


class SkipIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "bad_audio"}]})

    reason: SkipReason
    comment: Comment | None = None
    seconds: Seconds | None = None


class AnnotationOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_ANNOTATION]})

    id: int
    clip_id: int
    label: str | None = Field(description="The one class, or the strongest of `intensities`.")
    intensities: dict[str, float] | None
    unclear: bool
    dimensions: dict[str, float] | None
    skip_reason: SkipReason | None
    comment: str | None
    seconds: float | None
    scheme_version: int = Field(description="The version of the scheme it was given under.")
    shown: GuessOut | None = Field(description="The guess that was on the screen.")
    created_at: datetime


_MINE: JsonDict = _ANNOTATION | {
    "audio_url": "/api/v1/clips/42/audio",
    "duration_s": 2.4,
    "state": "live",
    "revisable": True,
}


class MyAnnotation(AnnotationOut):
    """One of the caller's own answers or skips."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MINE]})

    audio_url: str
    duration_s: float
    state: Literal["live", "revised", "withdrawn"] = Field(description="Whether it counts, or what ended it.")
    revisable: bool = Field(description="Whether `POST /annotations/{id}/revision` takes another answer.")


class HistoryOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_MINE], "next_before": None}]})

    items: list[MyAnnotation] = Field(description="The newest first.")
    next_before: int | None = Field(description="Pass as `before` for older ones; null at the end.")


class OverlapIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap": 3}]})

    overlap: int = Field(ge=1, le=100, description="Answers wanted for this clip.")


class OverlapOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"clip_id": 42, "overlap": 3}]})

    clip_id: int
    overlap: int = Field(description="Answers it will get: more than asked for where more were given already.")


class RoundProgress(BaseModel):
    id: int
    number: int
    state: RoundState
    wanted: int = Field(description="Answers the round asks for: the sum of all clips' overlap.")
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
