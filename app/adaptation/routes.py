"""TAPT: operators ask for it, a job does it, and a probe says whether it may be used."""

from fastapi import APIRouter

from app.adaptation import service
from app.adaptation.overview import overview
from app.adaptation.schemas import AdaptRequest, TaptOut, VerdictRequest
from app.checkpoints.service import use_named_encoder
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, Viewer
from app.errors import problems
from app.jobs.schemas import JobOut

router = APIRouter(tags=["adaptation"], responses=problems(401, 403, 404, 409, 422))


@router.get("/projects/{project_id}/tapt", summary="Read what TAPT has done")
def read_tapt(project_id: RowId, db: DbDep, caller: Viewer) -> TaptOut:
    """Runs, the newest first, with their jobs and verdicts. Loss and perplexity come with `GET /jobs/{id}/events`."""
    with db.read() as session:
        return overview(session, project_id)


@router.post("/projects/{project_id}/tapt", status_code=202, summary="Adapt the encoder to the project's audio")
def adapt(project_id: RowId, db: DbDep, caller: Operator, body: AdaptRequest | None = None) -> JobOut:
    """Queue TAPT: self-supervised training of the project's encoder on its own training audio, no label needed.

    Afterwards a probe compares both encoders on the labels of train and dev; `activate` says what follows from it.
    """
    given = body or AdaptRequest()
    with db.write() as session:
        return JobOut.model_validate(service.adapt(session, project_id, given.recipe, given.guard, now=utcnow()))


@router.delete("/projects/{project_id}/tapt", status_code=204, summary="Go back to the encoder as it was named")
def undo(project_id: RowId, db: DbDep, caller: Operator) -> None:
    """Later rounds use the encoder the project was made with; the adapted one stays among the checkpoints."""
    with db.write() as session:
        use_named_encoder(session, project_id, now=utcnow())


@router.post("/projects/{project_id}/tapt/verdicts", status_code=202, summary="Measure an adapted encoder again")
def measure(project_id: RowId, db: DbDep, caller: Operator, body: VerdictRequest | None = None) -> JobOut:
    """Queue a comparison on the labels there are now; `activate` says what follows, "never" leaves all as it is.

    One in use is compared with the encoder as it was named, and taken out of use when it loses.
    """
    given = body or VerdictRequest()
    with db.write() as session:
        job = service.request_verdict(session, project_id, given.checkpoint_id, given.guard, now=utcnow())
        return JobOut.model_validate(job)


@router.post("/jobs/{job_id}/resume", status_code=202, summary="Go on with a TAPT run that was broken off")
def resume(job_id: RowId, db: DbDep, caller: Operator) -> JobOut:
    """Queue a failed or cancelled run again: a new job goes on from its last state, on the same clips.

    A run that an alarm stopped (NaN, collapse) would go the same way again: start another with other settings.
    """
    with db.write() as session:
        return JobOut.model_validate(service.resume(session, job_id, now=utcnow()))
