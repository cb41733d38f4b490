"""An annotator's own answers, newest first. They do not tell which clips were probes."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from app.annotations.rendering import audio_url
from app.annotations.schemas import HistoryOut, MyAnnotation
from app.models import Annotation, Clip
from app.projects.service import get_project


def history(session: Session, project_id: int, account_id: int, before: int | None, limit: int) -> HistoryOut:
    """A page of the annotator's answers and skips; NotFoundError when there is no such project."""
    get_project(session, project_id)
    later = aliased(Annotation)
    revised = exists().where(later.supersedes_id == Annotation.id, ~later.withdrawn)
    withdrawn = exists().where(later.supersedes_id == Annotation.id, later.withdrawn)
    wanted = (
        select(Annotation, Clip.end_s - Clip.start_s, revised, withdrawn)
        .join(Clip, Clip.id == Annotation.clip_id)
        .where(Annotation.project_id == project_id, Annotation.account_id == account_id, ~Annotation.withdrawn)
        .order_by(Annotation.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        wanted = wanted.where(Annotation.id < before)
    rows = session.execute(wanted).all()
    items = [_item(*row) for row in rows[:limit]]
    return HistoryOut(items=items, next_before=items[-1].id if len(rows) > limit else None)


def _item(annotation: Annotation, duration_s: float, revised: bool, withdrawn: bool) -> MyAnnotation:
    state = "revised" if revised else "withdrawn" if withdrawn else "live"
    told = {name: getattr(annotation, name) for name in MyAnnotation.model_fields if hasattr(annotation, name)}
    return MyAnnotation.model_validate(
        told
        | {
            "audio_url": audio_url(annotation.clip_id),
            "duration_s": round(duration_s, 3),
            "state": state,
            "revisable": state == "live" and annotation.skip_reason is None,
        }
    )
