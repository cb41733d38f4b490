"""Jobs over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.jobs.queue import Kind
from app.models import JobState
from app.paging import Listed


class JobError(BaseModel):
    """Why a job failed."""

    name: str = Field(description="Name of the error, stable.")
    detail: str = Field(description="What happened and what to do.")


class JobOut(Listed):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 17,
                    "project_id": 1,
                    "round_id": 3,
                    "kind": "fine_tune",
                    "state": "running",
                    "payload": {},
                    "progress": {"stage": "train", "arm": "strategy", "step": 12, "steps": 60},
                    "result": None,
                    "error": None,
                    "attempts": 1,
                    "cancel_requested": False,
                    "created_at": "2026-01-31T09:00:00Z",
                    "started_at": "2026-01-31T09:00:01Z",
                    "finished_at": None,
                }
            ]
        },
    )

    project_id: int
    round_id: int | None
    kind: Kind
    state: JobState
    payload: dict[str, Any]
    progress: dict[str, Any] = Field(
        description="The latest report; `stage`, and `done` of `total` or `step` of `steps`."
    )
    result: dict[str, Any] | None
    error: JobError | None
    attempts: int = Field(description="How often a worker took it; above 1 when a worker died.")
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
