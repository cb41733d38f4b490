"""A job's reports as server-sent events, from the database: any web process can serve any job, and resume."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi.concurrency import run_in_threadpool

from app.db import Database
from app.jobs import service
from app.models import JobState

LOOK_S = 0.3
SILENCE_S = 15.0
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


async def stream(db: Database, job_id: int, after: int) -> AsyncIterator[str]:
    """Every report after an event id, as it comes; ends after the one that tells how the job ended."""
    silent_s = 0.0
    while True:
        ended, reports = await run_in_threadpool(_look, db, job_id, after)
        for event_id, report in reports:
            name = "end" if report.get("state") in ENDED else "report"
            yield f"id: {event_id}\nevent: {name}\ndata: {json.dumps(report)}\n\n"
            after, silent_s = event_id, 0.0
        if ended and not reports:
            return
        if not reports:
            await asyncio.sleep(LOOK_S)
            silent_s += LOOK_S
        if silent_s >= SILENCE_S:
            yield ": waiting\n\n"  # keeps proxies from closing the connection
            silent_s = 0.0


def _look(db: Database, job_id: int, after: int) -> tuple[bool, list[tuple[int, dict[str, object]]]]:
    """Whether the job had ended, and the reports after `after`: read in this order, so that none is missed."""
    with db.read() as session:
        ended = service.get_job(session, job_id).state in ENDED
    with db.read() as session:
        return ended, [(event.id, event.report) for event in service.events(session, job_id, after)]
