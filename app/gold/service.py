"""What can be done with gold clips and qualifications. The functions flush and never commit."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from al_core.scheme import Scheme
from app.errors import InvalidError, NotFoundError
from app.gold.schemas import GoldClipIn, Use
from app.models import Account, Assignment, AssignmentState, Clip, GoldClip, Kind, Qualification
from app.projects.service import get_project
from app.specs import read_scheme


def keep_gold(
    session: Session, project_id: int, use: Use, clips: Sequence[GoldClipIn], *, now: datetime
) -> list[GoldClip]:
    """Make clips of a project gold, or change what is right for those that are.

    Raises:
        NotFoundError: there is no such project.
        InvalidError: a clip is none of the project, a right answer is not in the scheme, or none is known.
    """
    scheme = read_scheme(get_project(session, project_id).scheme)
    wanted = {given.clip_id: given for given in clips}
    own = select(Clip.id, Clip.reference_label).where(Clip.project_id == project_id, Clip.id.in_(wanted))
    references = dict(session.execute(own).all())
    kept = {
        one.clip_id: one
        for one in session.scalars(
            select(GoldClip).where(GoldClip.project_id == project_id, GoldClip.clip_id.in_(wanted))
        )
    }
    found = []
    for clip_id, given in wanted.items():
        if clip_id not in references:
            raise InvalidError(f"clips: clip {clip_id} is none of this project: name clips it has")
        labels = _right(given, references[clip_id], scheme)
        row = kept.get(clip_id) or GoldClip(project_id=project_id, clip_id=clip_id, created_at=now)
        row.use, row.labels = use, labels
        row.dimensions = {name: list(bounds) for name, bounds in given.dimensions.items()}
        session.add(row)
        found.append(row)
    session.flush()
    return found


def _right(given: GoldClipIn, reference: str | None, scheme: Scheme) -> list[str]:
    """The classes that are right, checked; the reference label where none is given."""
    labels = given.labels if given.labels is not None else [] if reference is None else [reference]
    for name in labels:
        if name not in scheme.classes:
            raise InvalidError(f"clips: {name!r} is not in the scheme: it has {', '.join(scheme.classes)}")
    ranges = {dimension.name: dimension for dimension in scheme.dimensions}
    for name, (low, high) in given.dimensions.items():
        if name not in ranges:
            raise InvalidError(f"clips: {name!r} is no dimension of the scheme: it has {', '.join(ranges) or 'none'}")
        if not ranges[name].low <= low <= high <= ranges[name].high:
            raise InvalidError(f"clips: {name} {low:g}–{high:g} is no range within {ranges[name]}")
    if not labels and not given.dimensions:
        raise InvalidError(f"clips: nothing is known of clip {given.clip_id}: send labels or dimensions that are right")
    return list(dict.fromkeys(labels))


def list_gold(session: Session, project_id: int, after: int, limit: int) -> Sequence[GoldClip]:
    """Gold clips in order of id; NotFoundError when there is no such project."""
    get_project(session, project_id)
    wanted = select(GoldClip).where(GoldClip.project_id == project_id, GoldClip.id > after).order_by(GoldClip.id)
    return session.scalars(wanted.limit(limit)).all()


def drop_gold(session: Session, project_id: int, clip_id: int) -> None:
    """Stop giving a gold clip; what was answered stays. NotFoundError when it is none."""
    found = session.execute(
        delete(GoldClip).where(GoldClip.project_id == project_id, GoldClip.clip_id == clip_id).returning(GoldClip.id)
    ).first()
    if found is None:
        raise NotFoundError(f"clip {clip_id} is no gold clip of project {project_id}")
    _end_waiting(session, project_id, Assignment.clip_id == clip_id)


def set_standing(session: Session, project_id: int, account_id: int, waived: bool, *, now: datetime) -> None:
    """Let an annotator at real clips without the test, or have him tested again from the start.

    Raises:
        NotFoundError: there is no such project or account.
    """
    get_project(session, project_id)
    if session.get(Account, account_id) is None:
        raise NotFoundError(f"there is no account {account_id}")
    standing = session.get(Qualification, (project_id, account_id))
    if standing is not None:
        session.delete(standing)
        session.flush()
    _end_waiting(session, project_id, Assignment.addressee_id == account_id)
    if waived:
        row = Qualification(
            project_id=project_id, account_id=account_id, state="waived", asked=0, correct=0, decided_at=now
        )
        session.add(row)
    else:  # the attempt's answers stay in the history, and count for no further one
        session.execute(
            update(Assignment)
            .where(
                Assignment.project_id == project_id,
                Assignment.addressee_id == account_id,
                Assignment.kind == Kind.QUALIFICATION,
            )
            .values(addressee_id=None)
            .execution_options(synchronize_session=False)
        )
    session.flush()


def _end_waiting(session: Session, project_id: int, whose: ColumnElement[bool]) -> None:
    """Probes that wait, or are being answered, are no longer wanted."""
    session.execute(
        update(Assignment)
        .where(
            Assignment.project_id == project_id,
            whose,
            Assignment.kind.in_((Kind.GOLD, Kind.QUALIFICATION)),
            Assignment.state.in_((AssignmentState.OPEN, AssignmentState.LEASED)),
        )
        .values(state=AssignmentState.OUT, account_id=None, expires_at=None)
        .execution_options(synchronize_session=False)
    )
