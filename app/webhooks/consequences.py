"""What follows from events: a label that an answer completed, and a round that Label Studio is to have.

The courier works it out: it costs the annotators nothing, and estimators that look at all answers of a project run
before the transaction that stores what they found, so that nobody waits for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.jobs import queue
from app.labels.deciding import Decided, decide
from app.labels.given import live_answers
from app.labels.mapping import translation
from app.models import COUNTED, RULINGS, Adjudication, Assignment, AssignmentState, LabelStudioLink, OutboxEvent

_SAYS_SOMETHING = ("annotation.created", "annotation.revised", "annotation.withdrawn", "adjudication.created")
_OF_ROUNDS = {"round.ready": "push", "round.closed": "retract", "round.cancelled": "retract"}
_WAITS = (AssignmentState.OPEN, AssignmentState.LEASED)


@dataclass(frozen=True, slots=True)
class MadeLabel:
    """A label that one of the events completed; `subject` is the same however often it is worked out."""

    project_id: int
    subject: str
    told: Mapping[str, Any]


def labels_made(session: Session, events: Sequence[OutboxEvent]) -> dict[int, MadeLabel]:
    """The labels that these events made, by event: when nobody is asked about the clip any more and one class leads."""
    made: dict[int, MadeLabel] = {}
    clips: dict[int, dict[int, int]] = {}
    for event in events:  # of a clip's events in one go the last one makes its label
        if event.kind in _SAYS_SOMETHING and isinstance(event.payload.get("clip_id"), int):
            clips.setdefault(event.project_id, {})[event.payload["clip_id"]] = event.id
    for project_id, last_events in clips.items():
        decided = decide(session, project_id, list(last_events))
        for clip_id, event_id in last_events.items():
            label = _label(session, project_id, clip_id, decided.get(clip_id))
            if label is not None:
                made[event_id] = label
    return made


def follow(session: Session, events: Sequence[OutboxEvent], made: Mapping[int, MadeLabel], *, now: datetime) -> None:
    """Write what follows from these events; flushes and never commits."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    for event in events:
        if event.id in made:
            label = made[event.id]
            row = {"project_id": label.project_id, "kind": "label.created", "payload": dict(label.told)}
            statement = dialect.insert(OutboxEvent).values(
                **row, subject=label.subject, fanned_out=False, created_at=now
            )
            session.execute(statement.on_conflict_do_nothing(index_elements=["project_id", "subject"]))
        elif event.kind in _OF_ROUNDS:
            _to_label_studio(session, event, _OF_ROUNDS[event.kind], now)


def _label(session: Session, project_id: int, clip_id: int, decided: Decided | None) -> MadeLabel | None:
    said = None if decided is None or decided.name is None else _told(session, project_id, clip_id, decided)
    if said is None or (said["source"] != "adjudication" and _waits_for(session, project_id, clip_id)):
        return None
    subject = f"label:{clip_id}:{said.pop('last')}:{said['source']}:{said['label']}"
    return MadeLabel(project_id, subject[:100], said)


def _waits_for(session: Session, project_id: int, clip_id: int) -> bool:
    """Whether an answer to the clip may still come; a ruling stands whoever answers late."""
    of_clip = (Assignment.project_id == project_id, Assignment.clip_id == clip_id, Assignment.kind.in_(COUNTED))
    return bool(session.scalar(select(exists().where(*of_clip, Assignment.state.in_(_WAITS)))))


def _told(session: Session, project_id: int, clip_id: int, decided: Decided) -> dict[str, Any]:
    """The label, and the last event it rests on: the newest ruling, or the newest answer."""
    known = translation(session, project_id)
    distribution = dict(zip(known.scheme.classes, decided.distribution, strict=True))
    newest = select(func.max(Adjudication.id)).where(
        Adjudication.project_id == project_id, Adjudication.clip_id == clip_id, Adjudication.decision.in_(RULINGS)
    )
    given = [one.annotation_id for one in live_answers(session, project_id, [clip_id]) if known.bring(one) is not None]
    return {
        "clip_id": clip_id,
        "label": decided.name,
        "source": "adjudication" if decided.ruled else "annotations",
        "n_answers": decided.n_answers,
        "distribution": {name: round(share, 6) for name, share in distribution.items()},
        "last": session.scalar(newest) if decided.ruled else max(given, default=0),
    }


def _to_label_studio(session: Session, event: OutboxEvent, do: str, now: datetime) -> None:
    link = session.scalar(
        select(LabelStudioLink.id).where(LabelStudioLink.project_id == event.project_id, LabelStudioLink.follow)
    )
    if link is not None:
        queue.enqueue(session, "label_studio", event.project_id, {"do": do}, now=now)
