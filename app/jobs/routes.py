"""Jobs: everybody with a token may watch them, operators cancel them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse

from app.db import Database, utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep, Viewer
from app.errors import NotFoundError, problems
from app.jobs import service
from app.jobs.queue import Kind
from app.jobs.schemas import JobOut
from app.jobs.streaming import ENDED, stream
from app.models import JobState
from app.paging import After, Limit, Page

router = APIRouter(tags=["jobs"], responses=problems(401, 403, 404, 422))
ProjectFilter = Annotated[int | None, Query(ge=1, le=2_147_483_647, description="Only this project's.")]
LastEventId = Annotated[
    int, Header(alias="Last-Event-ID", ge=0, le=2_147_483_647, description="Resume after this event.")
]
_EVENTS = 'id: 31\nevent: report\ndata: {"stage": "train", "step": 12, "steps": 60}\n\n'
_SSE = {"content": {"text/event-stream": {"example": _EVENTS}}, "description": "`report` events, then one `end`."}


@router.get("/jobs", summary="List jobs")
def list_jobs(
    db: DbDep,
    caller: Viewer,
    project_id: ProjectFilter = None,
    kind: Kind | None = None,
    state: JobState | None = None,
    after: After = 0,
    limit: Limit = 100,
) -> Page[JobOut]:
    """Jobs in order of id."""
    with db.read() as session:
        jobs = service.list_jobs(session, project_id, kind, state, after, limit + 1)
        return Page.cut([JobOut.model_validate(job) for job in jobs], limit)


@router.get("/jobs/{job_id}", summary="Read a job")
def get_job(job_id: RowId, db: DbDep, caller: Viewer) -> JobOut:
    """One job with its latest report, its result or its error."""
    with db.read() as session:
        return JobOut.model_validate(service.get_job(session, job_id))


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={200: _SSE, 204: {"description": "The job has ended and nothing came after `Last-Event-ID`."}},
)
async def follow_job(job_id: RowId, db: DbDep, caller: Viewer, last_event_id: LastEventId = 0) -> Response:
    """Server-sent events: every report since the job began, or since `Last-Event-ID`, until it has ended."""
    if await run_in_threadpool(_nothing_more, db, job_id, last_event_id):
        return Response(status_code=204)  # tells an EventSource not to reconnect
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(db, job_id, last_event_id), media_type="text/event-stream", headers=headers)


def _nothing_more(db: Database, job_id: int, after: int) -> bool:
    with db.read() as session:
        ended = service.get_job(session, job_id).state in ENDED
        return ended and not service.events(session, job_id, after, limit=1)


@router.get(
    "/jobs/{job_id}/file",
    summary="Take the file a job made",
    response_class=FileResponse,
    responses={200: {"description": "CSV of predictions.", "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def get_file(job_id: RowId, db: DbDep, settings: SettingsDep, caller: Operator) -> FileResponse:
    """The predictions of a `predict` job: one row a clip, its label and the probability of every class."""
    with db.read() as session:
        path = settings.data / service.file_of(session, job_id)
    if not path.is_file():
        raise NotFoundError(f"the file of job {job_id} is gone from the data folder: run the job again")
    return FileResponse(path, media_type="text/csv", filename=f"predictions-{job_id}.csv")


@router.post("/jobs/{job_id}/cancel", status_code=202, summary="Cancel a job", responses=problems(409))
def cancel_job(job_id: RowId, db: DbDep, caller: Operator) -> JobOut:
    """End a waiting job at once; a running one is stopped within a heartbeat."""
    with db.write() as session:
        return JobOut.model_validate(service.cancel(session, job_id, now=utcnow()))
