"""The learning curve over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.models import Arm


class PointOut(BaseModel):
    """Quality of one arm after one round, on the fixed test split."""

    model_config = ConfigDict(from_attributes=True)

    round_id: int
    round: int = Field(description="The round's number, from 0.")
    arm: Arm
    checkpoint_id: int
    n_labels: int = Field(description="Labels this arm's checkpoint was trained on.")
    minutes: float = Field(description="Minutes of audio annotators listened to for those labels.")
    uar: float | None = Field(description="Null where the scheme has no classes; so are the next four.")
    uar_low: float | None = Field(description="Lower end of the 95 % interval, bootstrap over test speakers.")
    uar_high: float | None
    wa: float | None
    macro_f1: float | None
    figures: dict[str, Any] = Field(
        description="Everything else: `classes` with intervals, ECE and confusion, `dimensions` with CCC and RMSE, "
        "`fairness` by column."
    )
    strategy: str
    seed: int
    seconds: dict[str, float] = Field(description="Seconds by stage of the round.")
    created_at: datetime


class CurveOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "project_id": 1,
                    "n_train": 300,
                    "points": [
                        {
                            "round_id": 3,
                            "round": 2,
                            "arm": "strategy",
                            "checkpoint_id": 5,
                            "n_labels": 120,
                            "minutes": 5.2,
                            "uar": 0.71,
                            "uar_low": 0.66,
                            "uar_high": 0.75,
                            "wa": 0.72,
                            "macro_f1": 0.7,
                            "figures": {
                                "n": 98,
                                "classes": {"uar": 0.71, "uar_low": 0.66, "uar_high": 0.75, "ece": 0.08},
                                "dimensions": [
                                    {"name": "arousal", "ccc": 0.62, "ccc_low": 0.5, "ccc_high": 0.7, "rmse": 0.6}
                                ],
                                "fairness": {"gender": {"groups": [{"name": "female", "n": 52, "uar": 0.73}]}},
                            },
                            "strategy": "coverage_then_margin",
                            "seed": 0,
                            "seconds": {"select": 0.02, "train": 0.4, "evaluate": 0.1},
                            "created_at": "2026-01-31T09:00:00Z",
                        }
                    ],
                }
            ]
        }
    )

    project_id: int
    n_train: int = Field(description="Training clips, labelled or not: what a share of labels refers to.")
    points: list[PointOut] = Field(description="In order of round, the strategy arm before the control arm.")
