"""Checkpoints over HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.models import Arm
from app.paging import Listed


class CheckpointOut(Listed):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 5,
                    "project_id": 1,
                    "round_id": 3,
                    "arm": "strategy",
                    "kind": "classifier",
                    "folder": "checkpoints/round-3-strategy-17-1",
                    "encoder_digest": "9f2c…",
                    "labels_digest": "41aa…",
                    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 1.0}},
                    "report": {"n_labels": 120, "dev_uar": 0.7, "seconds": 0.4},
                    "promoted_at": None,
                    "created_at": "2026-01-31T09:00:00Z",
                }
            ]
        },
    )

    project_id: int
    round_id: int | None
    arm: Arm | None
    kind: Literal["encoder", "classifier"]
    folder: str = Field(description="Relative to the service's data folder.")
    encoder_digest: str = Field(description="Of the encoder inside, or the one the classifier was trained from.")
    labels_digest: str | None
    recipe: dict[str, Any]
    report: dict[str, Any]
    promoted_at: datetime | None
    created_at: datetime
