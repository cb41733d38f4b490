"""The learning curve: plain SQL, no science."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.curves.schemas import CurveOut, PointOut
from app.models import Clip, CurvePoint, Round
from app.projects.service import get_project


def curve(session: Session, project_id: int) -> CurveOut:
    """The project's points; NotFoundError when there is no such project."""
    get_project(session, project_id)
    n_train = select(func.count()).select_from(Clip).where(Clip.project_id == project_id, Clip.split == "train")
    rows = session.execute(
        select(*CurvePoint.__table__.columns, Round.number.label("round"))
        .join(Round, Round.id == CurvePoint.round_id)
        .where(CurvePoint.project_id == project_id)
        .order_by(Round.number, CurvePoint.arm.desc())
    )
    points = [PointOut.model_validate(row, from_attributes=True) for row in rows]
    return CurveOut(project_id=project_id, n_train=session.execute(n_train).scalar_one(), points=points)
