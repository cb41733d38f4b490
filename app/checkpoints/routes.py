"""Checkpoints: everybody may read them, operators promote one."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.checkpoints import service
from app.checkpoints.schemas import CheckpointDetail, CheckpointOut, EvaluationRequest
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep, Viewer
from app.errors import problems
from app.jobs.schemas import JobOut
from app.paging import After, Limit, Page

router = APIRouter(tags=["checkpoints"], responses=problems(401, 403, 404, 422))
ProjectFilter = Annotated[int | None, Query(ge=1, le=2_147_483_647, description="Only this project's.")]


@router.get("/checkpoints", summary="List checkpoints")
def list_checkpoints(
    db: DbDep, caller: Viewer, project_id: ProjectFilter = None, after: After = 0, limit: Limit = 100
) -> Page[CheckpointOut]:
    """Checkpoints in order of id."""
    with db.read() as session:
        found = service.list_checkpoints(session, project_id, after, limit + 1)
        return Page.cut([CheckpointOut.model_validate(one) for one in found], limit)


@router.get("/checkpoints/{checkpoint_id}", summary="Read a checkpoint")
def get_checkpoint(checkpoint_id: RowId, db: DbDep, caller: Viewer) -> CheckpointDetail:
    """One checkpoint with its recipe, what training reported, and its figures on the test split."""
    with db.read() as session:
        found = CheckpointOut.model_validate(service.get_checkpoint(session, checkpoint_id))
        return CheckpointDetail(**found.model_dump(), figures=service.figures_of(session, checkpoint_id))


@router.post("/checkpoints/{checkpoint_id}/promote", summary="Put a checkpoint to use")
def promote_checkpoint(checkpoint_id: RowId, db: DbDep, caller: Operator) -> CheckpointOut:
    """A classifier answers predictions from now on; an adapted encoder serves all later rounds."""
    with db.write() as session:
        return CheckpointOut.model_validate(service.promote(session, checkpoint_id, now=utcnow()))


@router.post(
    "/checkpoints/{checkpoint_id}/evaluations",
    status_code=202,
    summary="Examine a checkpoint",
    responses=problems(409),
)
def examine_checkpoint(
    checkpoint_id: RowId, body: EvaluationRequest, db: DbDep, settings: SettingsDep, caller: Operator
) -> JobOut:
    """Queue figures on a split: clean, under noise at each ratio, and between the groups of the project's setting.

    Follow the job; what it finds stays in the checkpoint's `report.examinations`.
    """
    recordings = body.wants_recordings(settings)
    with db.write() as session:
        job = service.request_examination(session, checkpoint_id, body.split, body.snr_db, recordings, now=utcnow())
        return JobOut.model_validate(job)
