"""Folders of fine-tuning runs: what a killed one resumes from, named by its job, so that its next attempt finds it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import select

from al_core.train import StepReport, TrainResumeError
from app.jobs.context import JobContext
from app.models import Job, JobState

GOES_ON = (JobState.QUEUED, JobState.RUNNING)


def run_folder(context: JobContext) -> Path:
    """Where this job keeps the states of its runs, whichever attempt it is."""
    return context.settings.data / "runs" / str(context.claim.job_id)


def resuming(folder: Path, start: Callable[[Path], Iterator[StepReport]]) -> Iterator[StepReport]:
    """Go on with the run in `folder`, or begin there; labels that changed since a state was written begin anew."""
    try:
        yield from start(folder)
    except TrainResumeError:
        shutil.rmtree(folder)
        yield from start(folder)


def drop_run(context: JobContext) -> None:
    """Remove this job's states: what they led to is stored."""
    shutil.rmtree(run_folder(context), ignore_errors=True)


def sweep_runs(context: JobContext) -> None:
    """Remove the states of jobs that failed or were cancelled: nobody will go on with them."""
    folders = {int(path.name): path for path in run_folder(context).parent.glob("[0-9]*") if path.name.isdigit()}
    if not folders:
        return
    with context.db.read() as session:
        alive = set(session.scalars(select(Job.id).where(Job.id.in_(folders), Job.state.in_(GOES_ON))))
    for job_id, path in folders.items():
        if job_id not in alive:
            shutil.rmtree(path, ignore_errors=True)
