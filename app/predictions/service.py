"""Asking for predictions and fetching them. The functions flush and never commit."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.checkpoints.service import get_checkpoint, promoted
from app.errors import ConflictError, InvalidError, NotFoundError
from app.jobs import queue
from app.jobs.service import get_job
from app.models import Checkpoint, Job, JobState
from app.projects.service import get_project


def request_predictions(
    session: Session, project_id: int, checkpoint_id: int | None, split: str | None, now: datetime
) -> Job:
    """Queue a `predict` job over a project's clips.

    Raises:
        NotFoundError: no such project or checkpoint.
        InvalidError: the checkpoint is no classifier of this project.
        ConflictError: no checkpoint is named and none is promoted.
    """
    get_project(session, project_id)
    checkpoint = _classifier(session, project_id, checkpoint_id)
    payload = {"checkpoint_id": checkpoint.id, "split": split}
    return queue.enqueue(session, "predict", project_id, payload, now=now)


def predictions_file(session: Session, project_id: int, job_id: int) -> str:
    """Where a finished `predict` job wrote its CSV, relative to the data folder.

    Raises:
        NotFoundError: the project has no such `predict` job.
        ConflictError: the job has not succeeded.
    """
    job = get_job(session, job_id)
    if job.project_id != project_id or job.kind != "predict":
        raise NotFoundError(f"project {project_id} has no predictions {job_id}")
    if job.state != JobState.SUCCEEDED or job.result is None:
        raise ConflictError(f"job {job_id} is {job.state}: its predictions are there once it has succeeded")
    return str(job.result["file"])


def _classifier(session: Session, project_id: int, checkpoint_id: int | None) -> Checkpoint:
    if checkpoint_id is None:
        in_use = promoted(session, project_id)
        if in_use is None:
            raise ConflictError("no checkpoint of this project is promoted: finish a round, or name a checkpoint_id")
        return in_use
    checkpoint = get_checkpoint(session, checkpoint_id)
    if checkpoint.project_id != project_id or checkpoint.kind != "classifier":
        raise InvalidError(f"checkpoint_id: checkpoint {checkpoint_id} is no classifier of project {project_id}")
    return checkpoint
