"""Exports over HTTP."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.exports.formats import Format
from app.exports.source import What
from app.models import Job, JobState, Snapshot
from app.paging import Listed

_EXPORT: JsonDict = {
    "id": 4,
    "project_id": 1,
    "format": "parquet",
    "what": "annotations",
    "audio": False,
    "state": "succeeded",
    "job_id": 31,
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size_bytes": 81234,
    "n": 1204,
    "error": None,
    "created_at": "2026-01-31T09:00:00Z",
    "finished_at": "2026-01-31T09:00:02Z",
}


class ExportRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"format": "parquet"}, {"format": "datasets", "audio": True}]}
    )

    format: Format = Field(description="`label_studio`, `audformat` and `datasets` hold everything at once.")
    what: What = Field(
        default="annotations", description="Every answer, what they add up to, or every decision of an adjudicator."
    )
    audio: bool = Field(default=False, description="Carry the audio too: `audformat` and `datasets` can.")


class ExportOut(Listed):
    model_config = ConfigDict(json_schema_extra={"examples": [_EXPORT]})

    project_id: int
    format: str
    what: str
    audio: bool
    state: JobState = Field(description="Of the job that writes it; the file is there once it has succeeded.")
    job_id: int | None
    digest: str | None = Field(description="SHA-256 of the file: the same content has the same digest.")
    size_bytes: int | None
    n: int | None = Field(description="Rows, or tasks, in it.")
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, snapshot: Snapshot, job: Job | None) -> "ExportOut":
        """A snapshot with the state of its job."""
        state = JobState.SUCCEEDED if snapshot.sha256 else JobState(job.state) if job else JobState.FAILED
        return cls(
            id=snapshot.id,
            project_id=snapshot.project_id,
            format=snapshot.format,
            what=snapshot.what,
            audio=snapshot.audio,
            state=state,
            job_id=snapshot.job_id,
            digest=snapshot.sha256,
            size_bytes=snapshot.size_bytes,
            n=snapshot.n,
            error=(job.error or {}).get("detail") if job and snapshot.sha256 is None else None,
            created_at=snapshot.created_at,
            finished_at=snapshot.finished_at,
        )
