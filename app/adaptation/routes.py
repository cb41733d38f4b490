"""TAPT: operators ask for it, a job does it."""

from fastapi import APIRouter

from app.adaptation import service
from app.adaptation.schemas import AdaptRequest
from app.checkpoints.service import use_named_encoder
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId
from app.errors import problems
from app.jobs.schemas import JobOut

router = APIRouter(tags=["adaptation"], responses=problems(401, 403, 404, 409, 422))


@router.post("/projects/{project_id}/tapt", status_code=202, summary="Adapt the encoder to the project's audio")
def adapt(project_id: RowId, db: DbDep, caller: Operator, body: AdaptRequest | None = None) -> JobOut:
    """Queue TAPT: self-supervised training of the project's encoder on its own training audio, no label needed."""
    given = body or AdaptRequest()
    with db.write() as session:
        return JobOut.model_validate(service.adapt(session, project_id, given.recipe, given.activate, now=utcnow()))


@router.delete("/projects/{project_id}/tapt", status_code=204, summary="Go back to the encoder as it was named")
def undo(project_id: RowId, db: DbDep, caller: Operator) -> None:
    """Later rounds use the encoder the project was made with; the adapted one stays among the checkpoints."""
    with db.write() as session:
        use_named_encoder(session, project_id, now=utcnow())
