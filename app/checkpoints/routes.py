"""Checkpoints: everybody may read them, operators promote one."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.checkpoints import service
from app.checkpoints.schemas import CheckpointOut
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, Viewer
from app.errors import problems
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
def get_checkpoint(checkpoint_id: RowId, db: DbDep, caller: Viewer) -> CheckpointOut:
    """One checkpoint with its recipe and what training reported."""
    with db.read() as session:
        return CheckpointOut.model_validate(service.get_checkpoint(session, checkpoint_id))


@router.post("/checkpoints/{checkpoint_id}/promote", summary="Put a checkpoint to use")
def promote_checkpoint(checkpoint_id: RowId, db: DbDep, caller: Operator) -> CheckpointOut:
    """A classifier answers predictions from now on; an adapted encoder serves all later rounds."""
    with db.write() as session:
        return CheckpointOut.model_validate(service.promote(session, checkpoint_id, now=utcnow()))
