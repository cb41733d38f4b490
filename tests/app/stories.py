"""Everything that an export can tell, as rows."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import utcnow
from app.models import (
    Account,
    Adjudication,
    Annotation,
    Assignment,
    AssignmentState,
    Checkpoint,
    FormerScheme,
    Guess,
    Project,
)


def tell_stories(session: Session, project_id: int, clips: list[int]) -> None:
    """Two scheme versions and one event of each kind, on the project's first five clips."""
    people = dict(session.execute(select(Account.name, Account.id)).all())
    former = {"classes": ["anger", "happiness", "neutral"], "dimensions": [{"name": "arousal", "low": 1, "high": 7}]}
    mapping = {"anger": ["anger"], "happiness": ["joy"], "neutral": ["neutral"]}
    replaced = {"account_id": people["operator"], "replaced_at": utcnow(), "reason": "renamed"}
    session.add(FormerScheme(project_id=project_id, version=1, scheme=former, mapping=mapping, **replaced))
    session.get_one(Project, project_id).scheme_version = 2
    guess = {"label": "anger", "probabilities": {"anger": 0.7, "joy": 0.2, "neutral": 0.1}}
    made = {"kind": "classifier", "folder": f"f{project_id}", "encoder_digest": "d", "recipe": {}, "report": {}}
    checkpoint = Checkpoint(project_id=project_id, created_at=utcnow(), **made)
    session.add(checkpoint)
    session.flush()
    session.add(Guess(clip_id=clips[0], checkpoint_id=checkpoint.id, **guess))
    number = 0

    def said(clip: int, name: str, **values: Any) -> int:
        nonlocal number
        number += 1
        asked = Assignment(
            project_id=project_id, clip_id=clip, kind=values.get("kind", "answer"), slot=0, position=0,
            state=AssignmentState.DONE, account_id=people[name], fence=1,
        )  # fmt: skip
        session.add(asked)
        session.flush()
        at = utcnow().replace(microsecond=number)
        row = {
            "fence": 1,
            "scheme_version": 2,
            "seconds": 2.5,
            "idempotency_key": f"k{number}",
            "created_at": at,
        } | values
        event = Annotation(project_id=project_id, clip_id=clip, assignment_id=asked.id, account_id=people[name], **row)
        session.add(event)
        session.flush()
        return event.id

    said(clips[0], "annotator", label="happiness", scheme_version=1, comment='ängstlich, "leise"\n')
    said(clips[0], "operator", label="joy", dimensions={"arousal": 4.5}, shown=guess | {"checkpoint_id": checkpoint.id})
    first = said(clips[1], "annotator", label="anger")
    said(clips[1], "annotator", label="neutral", supersedes_id=first)
    said(clips[1], "operator", label="anger", intensities={"anger": 1.0, "joy": 0.25})
    gone = said(clips[2], "annotator", label="anger")
    said(clips[2], "annotator", supersedes_id=gone, withdrawn=True)
    said(clips[3], "annotator", skip_reason="unsure", effect="others")
    said(clips[3], "operator", unclear=True)
    said(clips[4], "annotator", label="anger")
    said(clips[4], "annotator", label="neutral", kind="repeat")
    ruled = {"decision": "label", "label": "anger", "scheme_version": 2, "reason": "heard it twice"}
    session.add(
        Adjudication(project_id=project_id, clip_id=clips[1], account_id=people["admin"], created_at=utcnow(), **ruled)
    )
