"""Asking for TAPT. The function flushes and never commits."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import ConflictError
from app.jobs import queue
from app.models import Clip, Job
from app.projects.service import get_project
from app.specs import as_json
from tapt.recipe import TaptRecipe


def adapt(session: Session, project_id: int, recipe: TaptRecipe, activate: bool, *, now: datetime) -> Job:
    """Queue TAPT on the training clips the project has now: later imports do not change a run that resumes.

    Raises:
        NotFoundError: there is no such project.
        ConflictError: it has no training clip.
    """
    project = get_project(session, project_id)
    training = (Clip.project_id == project_id, Clip.split == "train")
    last_clip_id = session.execute(select(func.max(Clip.id)).where(*training)).scalar_one()
    if last_clip_id is None:
        raise ConflictError(f"project {project.name!r} has no training clip: import audio first")
    payload = {"recipe": as_json(recipe), "activate": activate, "last_clip_id": last_clip_id}
    return queue.enqueue(session, "adapt", project_id, payload, now=now)
