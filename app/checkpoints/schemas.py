"""Checkpoints over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.config import JsonDict

from app.errors import InvalidError
from app.models import Arm
from app.paging import Listed
from app.settings import Settings

_CHECKPOINT: JsonDict = {
    "id": 5,
    "project_id": 1,
    "round_id": 3,
    "arm": "strategy",
    "kind": "classifier",
    "folder": "checkpoints/round-3-strategy-17-1",
    "encoder_digest": "9f2c…",
    "labels_digest": "41aa…",
    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 1.0}},
    "report": {
        "n_labels": 120,
        "n_trainable": 1540,
        "dev_uar": 0.7,
        "seconds": 0.4,
        "two_stage": {
            "checkpoint_id": 2,
            "project": "acted emotion",
            "classes": ["anger", "happiness", "neutral", "sadness"],
            "source": {
                "before": {"uar": 0.81, "low": 0.77, "high": 0.85, "n": 300},
                "after": {"uar": 0.74, "low": 0.69, "high": 0.79, "n": 300},
            },
            "target": {
                "before": {"uar": 0.52, "low": 0.44, "high": 0.6, "n": 98},
                "after": {"uar": 0.71, "low": 0.64, "high": 0.77, "n": 98},
            },
        },
        "examinations": {"test": {"split": "test", "noise": [{"snr_db": 10, "n": 98, "classes": {"uar": 0.66}}]}},
    },
    "promoted_at": None,
    "created_at": "2026-01-31T09:00:00Z",
}


class CheckpointOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_CHECKPOINT]})

    project_id: int
    round_id: int | None
    arm: Arm | None
    kind: Literal["encoder", "classifier"]
    folder: str = Field(description="Relative to the service's data folder.")
    encoder_digest: str = Field(description="Of the encoder inside, or the one the classifier was trained from.")
    labels_digest: str | None
    recipe: dict[str, Any]
    report: dict[str, Any] = Field(
        description="What training said: labels, loss, dev figures, trained weights, seconds, warnings; `notes`, what "
        "was decided on the way, such as whether a finish is kept. `two_stage`, where the recipe starts from a "
        "checkpoint: figures on both test splits before and after. `stop_set`: agreement with the classifier before "
        "it, and how sure it is, on up to 2,000 clips. `examinations`: by split, what was asked with "
        "`POST /checkpoints/{id}/evaluations`. `verdicts` of an adapted encoder, the newest last: what a probe gains "
        "with it."
    )
    promoted_at: datetime | None
    created_at: datetime


class CheckpointDetail(CheckpointOut):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [_CHECKPOINT | {"figures": {"n": 98, "classes": {"uar": 0.71}, "dimensions": []}}]
        }
    )

    figures: dict[str, Any] | None = Field(
        description="Its learning-curve point's figures on the test split: intervals, ECE, confusion, CCC and RMSE of "
        "each dimension, fairness of each column; null before it has one."
    )


Ratio = Annotated[float, Field(ge=-20, le=60)]


class EvaluationRequest(BaseModel):
    """What a checkpoint is to be examined on."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False,
        json_schema_extra={"examples": [{"split": "test", "snr_db": [20, 10, 5, 0]}, {"split": "dev", "snr_db": []}]},
    )  # fmt: skip

    split: Literal["dev", "test"] = Field(default="test", description="Whose clips with a reference label are heard.")
    snr_db: list[Ratio] = Field(
        default=[20.0, 10.0, 5.0, 0.0], max_length=10, description="Signal-to-noise ratios, in decibels, at which "
        "noise is added; none for clean figures and fairness alone.",
    )  # fmt: skip
    noise: Literal["white", "recordings"] = Field(
        default="white", description="White noise, or the recordings in the folder `AFTERLOOP_NOISE`."
    )

    def wants_recordings(self, settings: Settings) -> bool:
        """Whether recordings are asked for; InvalidError when this installation has none."""
        if self.noise == "recordings" and settings.noise is None:
            raise InvalidError("noise: there are no recordings here; name their folder in AFTERLOOP_NOISE")
        return self.noise == "recordings"

    @field_validator("snr_db")
    @classmethod
    def _each_once(cls, ratios: list[float]) -> list[float]:
        if len(set(ratios)) < len(ratios):
            raise ValueError("a ratio is named twice: each is evaluated once")
        return ratios
