"""The learning curve over HTTP."""

from datetime import datetime

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
    uar: float
    uar_low: float = Field(description="Lower end of the 95 % interval, bootstrap over test speakers.")
    uar_high: float
    wa: float
    macro_f1: float
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
