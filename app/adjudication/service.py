"""Deciding about clips: rulings, and sending back. Answers are never touched. The functions never commit."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.adjudication.disputes import decisions_of
from app.adjudication.schemas import DecisionOut, RulingIn, SendBackIn, SentBackOut, told
from app.annotations.again import ask_again, open_round_of
from app.annotations.answers import Answer, checked
from app.annotations.closing import close_if_done
from app.annotations.leases import LeaseId
from app.annotations.locks import lock_clips
from app.annotations.overlap import add_slots
from app.annotations.settings import Annotating
from app.annotations.team import anybody_left
from app.errors import ConflictError, NotFoundError
from app.labels.given import live_answers
from app.models import COUNTED, Adjudication, Assignment, AssignmentState, Clip, ClipOverlap, Decision, Kind, Project
from app.projects.service import get_project
from app.specs import read_scheme
from app.webhooks.outbox import emit

_NOBODY = LeaseId(0, 0)


def rule(
    session: Session, project_id: int, clip_id: int, given: RulingIn, account_id: int, *, now: datetime
) -> DecisionOut:
    """Decide what a clip is. Nobody else is asked about it; who has it now may still answer, and decides nothing.

    Raises:
        NotFoundError: the project has no such clip.
        InvalidError: the class or a dimension is not in the scheme.
    """
    project = _own_clip(session, project_id, clip_id)
    if given.decision == "label":
        said = Answer(_NOBODY, given.label, None, None, None, None, False, given.dimensions)
        scheme = read_scheme(project.scheme)
        checked(said if given.label is not None else _rated(said), scheme, Annotating(unclear=True))
    lock_clips(session, [clip_id])
    decided = _append(session, project, clip_id, Decision(given.decision), account_id, given.reason, now, given)
    round_id = open_round_of(session, project_id)
    waiting = (
        Assignment.project_id == project_id,
        Assignment.clip_id == clip_id,
        Assignment.kind.in_(COUNTED),
        Assignment.state == AssignmentState.OPEN,
    )
    session.execute(
        update(Assignment)
        .where(*waiting)
        .values(state=AssignmentState.OUT)
        .execution_options(synchronize_session=False)
    )
    if round_id is not None:
        close_if_done(session, project_id, round_id, now=now)
    return decided


def send_back(
    session: Session, project_id: int, clip_id: int, given: SendBackIn, account_id: int, *, now: datetime
) -> SentBackOut:
    """Ask about a clip again: others, or those who answered it, whose new answers count instead of the old ones.

    A round that is annotating waits for them; otherwise they are asked between rounds.

    Raises:
        NotFoundError: the project has no such clip.
        ConflictError: nobody is left to ask, or nobody answered yet.
    """
    project = _own_clip(session, project_id, clip_id)
    lock_clips(session, [clip_id])
    if given.to == "same":
        whom = [(answer.clip_id, answer.account_id) for answer in live_answers(session, project_id, [clip_id])]
        asked = ask_again(session, project_id, whom)
        if not asked:
            raise ConflictError(f"nobody can be asked again about clip {clip_id}: no answer, or being asked already")
        decision = Decision.ASK_AGAIN
    else:
        asked = _ask_others(session, project_id, clip_id, given.count)
        decision = Decision.ASK_OTHERS
    decided = _append(session, project, clip_id, decision, account_id, given.reason, now)
    return SentBackOut(asked=asked, decision=decided)


def _ask_others(session: Session, project_id: int, clip_id: int, count: int) -> int:
    if not anybody_left(session, project_id, clip_id):
        raise ConflictError(f"every annotator had clip {clip_id}: send it back to the same, or rule on it")
    round_id = open_round_of(session, project_id)
    live = (AssignmentState.OPEN, AssignmentState.LEASED, AssignmentState.DONE)
    of_round = (Assignment.round_id == round_id, Assignment.clip_id == clip_id, Assignment.kind == Kind.ANSWER)
    have = len(session.scalars(select(Assignment.id).where(*of_round, Assignment.state.in_(live))).all())
    add_slots(session, project_id, round_id, clip_id, count)
    if round_id is not None:  # the adaptive rule must not end what an adjudicator wants
        session.merge(ClipOverlap(round_id=round_id, clip_id=clip_id, overlap=have + count))
    return count


def _rated(said: Answer) -> Answer:
    """A ruling on dimensions alone: of the class it says nothing, which an answer would have to say as unclear."""
    return Answer(said.lease, None, None, None, None, None, True, said.dimensions)


def _own_clip(session: Session, project_id: int, clip_id: int) -> Project:
    project = get_project(session, project_id)
    clip = session.get(Clip, clip_id)
    if clip is None or clip.project_id != project_id:
        raise NotFoundError(f"project {project_id} has no clip {clip_id}")
    return project


def _append(
    session: Session,
    project: Project,
    clip_id: int,
    decision: Decision,
    account_id: int,
    reason: str,
    now: datetime,
    ruling: RulingIn | None = None,
) -> DecisionOut:
    row = Adjudication(
        project_id=project.id,
        clip_id=clip_id,
        account_id=account_id,
        decision=decision,
        label=None if ruling is None else ruling.label,
        dimensions=None if ruling is None else ruling.dimensions,
        scheme_version=project.scheme_version,
        reason=reason,
        created_at=now,
    )
    session.add(row)
    session.flush()
    what = {"adjudication_id": row.id, "clip_id": clip_id, "account_id": account_id, "decision": str(decision)}
    emit(session, project.id, "adjudication.created", what | {"label": row.label}, now=now)
    return told(session.execute(decisions_of(project.id).where(Adjudication.id == row.id)).one())
