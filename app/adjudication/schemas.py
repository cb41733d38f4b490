"""Disputes and decisions over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.models import Decision
from app.paging import Listed

Why = Literal["tie", "unclear", "not_sure", "spread", "skipped", "doubtful"]
Reason = Annotated[str, Field(min_length=1, max_length=5000, description="Why; kept with the decision.")]

_AT = "2026-01-31T09:05:00Z"
_ANSWER: JsonDict = {
    "annotation_id": 9,
    "account_id": 3,
    "annotator": "alice",
    "label": "anger",
    "intensities": None,
    "unclear": False,
    "dimensions": None,
    "skip_reason": None,
    "comment": "shouts, but laughs",
    "seconds": 4.2,
    "scheme_version": 1,
    "now": "anger",
    "created_at": _AT,
}
_DECISION: JsonDict = {
    "id": 2,
    "clip_id": 42,
    "decision": "label",
    "label": "anger",
    "dimensions": None,
    "scheme_version": 1,
    "reason": "The laugh is bitter.",
    "adjudicator": "carol",
    "created_at": _AT,
}
_CLIP: JsonDict = {
    "id": 42,
    "clip_id": 42,
    "why": "tie",
    "audio_url": "/api/v1/clips/42/audio",
    "duration_s": 2.4,
    "distribution": {"anger": 0.5, "happiness": 0.5, "neutral": 0.0, "sadness": 0.0},
    "answers": [_ANSWER],
    "decisions": [],
}


class AnswerOut(BaseModel):
    """One annotator's answer, as it was given."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWER]})

    annotation_id: int
    account_id: int
    annotator: str
    label: str | None
    intensities: dict[str, float] | None
    unclear: bool
    dimensions: dict[str, float] | None
    skip_reason: str | None
    comment: str | None
    seconds: float | None
    scheme_version: int
    now: str | None = Field(description="The class under the scheme in use; null for none, or one that was split.")
    created_at: datetime


class DecisionOut(BaseModel):
    """One decision of an adjudicator. The newest ruling is the clip's label."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DECISION]})

    id: int
    clip_id: int
    decision: Decision
    label: str | None
    dimensions: dict[str, float] | None
    scheme_version: int
    reason: str
    adjudicator: str
    created_at: datetime


class AnsweredOut(Listed):
    """Everybody's answers to one clip, side by side, and what was decided."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CLIP]})

    clip_id: int
    why: Why | None = Field(description="Why somebody has to decide; null when nobody has to.")
    audio_url: str
    duration_s: float
    distribution: dict[str, float] = Field(description="Share of each class among the answers.")
    answers: list[AnswerOut] = Field(description="In the order they were given; those taken back are left out.")
    decisions: list[DecisionOut] = Field(description="The oldest first.")


class RulingIn(BaseModel):
    """A class or dimensions; that the clip is ambiguous and keeps its distribution; or that it is no use."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"decision": "label", "label": "anger", "reason": "The laugh is bitter."},
                {"decision": "ambiguous", "reason": "Two emotions at once."},
            ]
        },
    )

    decision: Literal["label", "ambiguous", "exclude"]
    label: str | None = Field(default=None, min_length=1, max_length=200)
    dimensions: dict[str, float] | None = Field(default=None, max_length=20)
    reason: Reason

    @model_validator(mode="after")
    def _has_what_it_decides(self) -> Self:
        says = self.label is not None or bool(self.dimensions)
        if says != (self.decision == "label"):
            raise ValueError("label: send a label or dimensions with the decision `label`, and with no other")
        return self


class SendBackIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"to": "others", "count": 1, "reason": "A third pair of ears."}]},
    )

    to: Literal["others", "same"] = Field(description="Annotators who never had the clip, or those who answered it.")
    count: int = Field(default=1, ge=1, le=20, description="How many others; ignored for `same`.")
    reason: Reason


class SentBackOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"asked": 1, "decision": _DECISION}]})

    asked: int = Field(description="Answers that are wanted now.")
    decision: DecisionOut


def told(row: Any) -> DecisionOut:
    """A decision with its adjudicator's name, from a joined row."""
    return DecisionOut.model_validate(row, from_attributes=True)
