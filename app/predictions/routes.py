"""Predictions: operators ask a checkpoint what it hears in a project's clips."""

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep
from app.errors import NotFoundError, problems
from app.jobs.schemas import JobOut
from app.predictions.schemas import PredictionRequest
from app.predictions.service import predictions_file, request_predictions

router = APIRouter(tags=["predictions"], responses=problems(401, 403, 404, 409, 422))


@router.post("/projects/{project_id}/predictions", status_code=202, summary="Predict")
def predict(project_id: RowId, body: PredictionRequest, db: DbDep, caller: Operator) -> JobOut:
    """Queue the predictions of a classifier for a project's clips; follow the job, then fetch the file by its id."""
    with db.write() as session:
        job = request_predictions(session, project_id, body.checkpoint_id, body.split, utcnow())
        return JobOut.model_validate(job)


@router.get(
    "/projects/{project_id}/predictions/{job_id}",
    summary="Fetch predictions",
    response_class=Response,
    responses={200: {"description": "clip_id, label, class shares, dimensions.", "content": {"text/csv": {}}}},
)
def fetch_predictions(
    project_id: RowId, job_id: RowId, db: DbDep, settings: SettingsDep, caller: Operator
) -> FileResponse:
    """The CSV a finished `predict` job wrote."""
    with db.read() as session:
        path = settings.data / predictions_file(session, project_id, job_id)
    if not path.is_file():
        raise NotFoundError(f"the file of job {job_id} is gone from the data folder: ask for the predictions again")
    return FileResponse(path, media_type="text/csv", filename=f"predictions-{job_id}.csv")
