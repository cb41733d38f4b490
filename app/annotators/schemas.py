"""Figures of annotators and of their agreement over HTTP. A figure that is not defined is null."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

_SHARE: JsonDict = {"hits": 18, "n": 20, "value": 0.9, "low": 0.699, "high": 0.972}
_ALPHA: JsonDict = {"value": 0.61, "low": 0.52, "high": 0.69, "n_clips": 120}
_ANNOTATOR: JsonDict = {
    "account_id": 3,
    "annotator": "alice",
    "n": 120,
    "n_unclear": 4,
    "skipped": {"unsure": 3},
    "withdrawn": 1,
    "revised": 2,
    "qualification": "passed",
    "gold": _SHARE,
    "consensus": _SHARE,
    "consistency": _SHARE,
    "pace": {"n": 120, "seconds": 4.1, "ratio": 1.7, "slope": 0.8, "hurried": _SHARE},
    "days": [{"day": "2026-01-31", "agreement": _SHARE}],
    "drift": {"slope": -0.001, "error": 0.002},
    "flags": [],
}


class ShareOut(BaseModel):
    """A share with its 95 % interval (Wilson)."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SHARE]})

    hits: int
    n: int
    value: float | None
    low: float
    high: float


class PaceOut(BaseModel):
    """Seconds a clip against the clip's length."""

    model_config = ConfigDict(from_attributes=True)

    n: int
    seconds: float = Field(description="Median seconds an answer took.")
    ratio: float = Field(description="Median of those over the clip's length.")
    slope: float | None = Field(description="Seconds more per second of clip.")
    hurried: ShareOut = Field(description="Answers given before the clip had ended.")


class DayOut(BaseModel):
    day: date
    agreement: ShareOut


class DriftOut(BaseModel):
    """Change of agreement a day, with its standard error."""

    slope: float | None
    error: float | None


class AnnotatorOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_ANNOTATOR]})

    account_id: int
    annotator: str
    n: int = Field(description="Clips answered, probes among them; repeats are not counted.")
    n_unclear: int
    skipped: dict[str, int] = Field(description="Skips by reason.")
    withdrawn: int = Field(description="Answers and skips taken back.")
    revised: int
    qualification: Literal["passed", "failed", "waived"] | None
    gold: ShareOut = Field(description="Right answers to clips whose answer is known.")
    consensus: ShareOut = Field(description="Answers equal to what most of the others said.")
    consistency: ShareOut = Field(description="Repeats answered as before.")
    pace: PaceOut | None
    days: list[DayOut] = Field(description="Agreement with the others by day; empty before there is enough of it.")
    drift: DriftOut | None
    flags: list[str] = Field(description="Sentences for a friendly talk. Nobody is locked out by them.")


class AnnotatorsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_ANNOTATOR]}]})

    items: list[AnnotatorOut] = Field(description="In order of name.")


class CoefficientOut(BaseModel):
    """A coefficient with its 95 % bootstrap interval over clips."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ALPHA]})

    value: float
    low: float | None
    high: float | None
    n_clips: int


class PairOut(BaseModel):
    first: str
    second: str
    kappa: CoefficientOut


class DimensionAgreementOut(BaseModel):
    interval: CoefficientOut | None = Field(description="Krippendorff's alpha of values.")
    ordinal: CoefficientOut | None = Field(description="Of ranks; null for a slider of more than 100 values.")


class AgreementOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "n_clips": 300,
                    "n_answers": 640,
                    "alpha": _ALPHA,
                    "per_class": {"anger": _ALPHA},
                    "dimensions": {"arousal": {"interval": _ALPHA, "ordinal": _ALPHA}},
                    "kappa": _ALPHA,
                    "pairs": [{"first": "alice", "second": "bob", "kappa": _ALPHA}],
                    "per_annotator": {"alice": _ALPHA},
                }
            ]
        }
    )

    n_clips: int = Field(description="Clips with an answer.")
    n_answers: int
    alpha: CoefficientOut | None = Field(description="Krippendorff's nominal alpha; null while nobody can be compared.")
    per_class: dict[str, CoefficientOut | None] = Field(description="Alpha of each class against the rest.")
    dimensions: dict[str, DimensionAgreementOut]
    kappa: CoefficientOut | None = Field(description="Mean of Cohen's kappa over the pairs.")
    pairs: list[PairOut] = Field(description="Pairs with at least ten clips in common.")
    per_annotator: dict[str, CoefficientOut] = Field(description="Mean kappa of an annotator's pairs.")
