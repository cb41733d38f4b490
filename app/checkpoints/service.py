"""What can be done with checkpoints. The functions flush and never commit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.errors import ConflictError, InvalidError, NotFoundError
from app.jobs import queue
from app.models import Checkpoint, Clip, CurvePoint, Job, Project
from app.projects.checks import check_values
from app.projects.service import get_project


def get_checkpoint(session: Session, checkpoint_id: int) -> Checkpoint:
    """The checkpoint; NotFoundError when there is none."""
    found = session.get(Checkpoint, checkpoint_id)
    if found is None:
        raise NotFoundError(f"there is no checkpoint {checkpoint_id}")
    return found


def list_checkpoints(session: Session, project_id: int | None, after: int, limit: int) -> list[Checkpoint]:
    """Checkpoints in order of id, of one project or of all."""
    wanted = select(Checkpoint).where(Checkpoint.id > after).order_by(Checkpoint.id).limit(limit)
    if project_id is not None:
        get_project(session, project_id)
        wanted = wanted.where(Checkpoint.project_id == project_id)
    return list(session.scalars(wanted))


def figures_of(session: Session, checkpoint_id: int) -> dict[str, Any] | None:
    """The figures of a checkpoint's learning-curve point; None before it has one, or one that says no more than UAR."""
    wanted = select(CurvePoint.figures).where(CurvePoint.checkpoint_id == checkpoint_id)
    return session.scalars(wanted).one_or_none() or None


def request_examination(
    session: Session,
    checkpoint_id: int,
    split: str,
    snr_db: Sequence[float],
    recordings: bool = False,
    *,
    now: datetime,
) -> Job:
    """Queue an `examine` job of a classifier on a split of its project; under recorded noise, or white noise.

    Raises:
        NotFoundError: there is no such checkpoint.
        InvalidError: it is an encoder, or the split's values of a dimension do not differ.
        ConflictError: it answers in a former scheme, or no clip of the split has a reference label.
    """
    found = get_checkpoint(session, checkpoint_id)
    if found.kind != "classifier":
        raise InvalidError(f"checkpoint {checkpoint_id} is an adapted encoder: only a classifier can be examined")
    project = get_project(session, found.project_id)
    if found.report.get("scheme", project.scheme) != project.scheme:
        raise ConflictError(f"checkpoint {checkpoint_id} answers in a former scheme: examine one trained since")
    known = Clip.reference_label.is_not(None) | Clip.reference_dimensions.is_not(None)
    labelled = exists().where(Clip.project_id == project.id, Clip.split == split, known)
    if not session.execute(select(labelled)).scalar_one():
        raise ConflictError(f"no {split} clip has a reference label: import some with split={split} and a label")
    check_values(session, project, split)
    payload = {"checkpoint_id": checkpoint_id, "split": split, "snr_db": list(snr_db), "recordings": recordings}
    return queue.enqueue(session, "examine", project.id, payload, now=now)


def promoted(session: Session, project_id: int) -> Checkpoint | None:
    """The project's classifier in use, if any."""
    in_use = (Checkpoint.project_id == project_id, Checkpoint.promoted_at.is_not(None))
    return session.scalars(select(Checkpoint).where(*in_use)).one_or_none()


def promote(session: Session, checkpoint_id: int, *, now: datetime) -> Checkpoint:
    """Put a checkpoint to use: a classifier answers predictions, an adapted encoder serves all later jobs.

    Promoting what is in use changes nothing. A project's clips are embedded again for a new encoder.
    """
    chosen = get_checkpoint(session, checkpoint_id)
    session.execute(select(Project.id).where(Project.id == chosen.project_id).with_for_update(key_share=True))
    if chosen.kind == "encoder":
        use_encoder(session, chosen, now=now)
    elif chosen.promoted_at is None:
        others = (Checkpoint.project_id == chosen.project_id, Checkpoint.promoted_at.is_not(None))
        session.execute(update(Checkpoint).where(*others).values(promoted_at=None))
        chosen.promoted_at = now
    session.flush()
    return chosen


def promote_first(session: Session, project_id: int, checkpoint_id: int, *, now: datetime) -> None:
    """Promote a project's first classifier by itself; later ones are an operator's choice."""
    in_use = exists().where(Checkpoint.project_id == project_id, Checkpoint.promoted_at.is_not(None))
    if not session.execute(select(in_use)).scalar_one():
        promote(session, checkpoint_id, now=now)


def use_encoder(session: Session, checkpoint: Checkpoint, *, now: datetime) -> None:
    """Make an adapted encoder the project's, and have its clips embedded with it."""
    project = get_project(session, checkpoint.project_id)
    if project.encoder_checkpoint_id != checkpoint.id:
        project.encoder_checkpoint_id = checkpoint.id
        session.flush()
        queue.enqueue(session, "embed", project.id, now=now)


def use_named_encoder(session: Session, project_id: int, *, now: datetime) -> None:
    """Go back to the encoder the operator named, and have the clips embedded with it where they are not."""
    project = get_project(session, project_id)
    if project.encoder_checkpoint_id is not None:
        project.encoder_checkpoint_id = None
        session.flush()
        queue.enqueue(session, "embed", project_id, now=now)
