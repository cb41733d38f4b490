"""Who does not know? Decided with every answer of a round that routes, and kept with the figures behind it."""

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from al_core.agreement import Decision, Routes, estimate, route, votes_of
from app.annotations.rules import Routed
from app.labels.crowd import crowd_of, uncertainty
from app.labels.deciding import event_of, says_class
from app.labels.given import Given
from app.labels.mapping import Translation
from app.models import ClipRoute


def decide_route(
    session: Session,
    project_id: int,
    round_id: int,
    way: Translation,
    answers: Sequence[Given],
    rule: Routed,
    may_ask: Callable[[], bool],
    *,
    now: datetime,
) -> bool:
    """Decide about one clip and keep the decision; whether one more person is to be asked about it.

    Where that would pay but nobody may be asked, it is decided again as if there were no further answer to be had.

    Args:
        session: of the transaction; it flushes and never commits.
        project_id: whose.
        round_id: which asks about the clip.
        way: to the scheme in use.
        answers: the clip's, that count under it, in order.
        rule: the round's.
        may_ask: whether the queue allows one more.
        now: when.
    """
    said = [event_of(given) for given in answers if says_class(given)]
    if not said or not way.scheme.classes:
        return True
    clip_id = answers[0].clip_id
    crowd = crowd_of(session, project_id, way)
    made = estimate(votes_of(said, way.scheme), crowd.estimator, learned=crowd)
    unsure, checkpoint_id = uncertainty(session, clip_id, crowd)
    epistemic = np.array([unsure])
    found = route(made, rule.routing(), epistemic=epistemic)
    if found.decisions[0] == Decision.ASK and not may_ask():
        found = route(made, rule.routing(limit=len(answers)), epistemic=epistemic)
    row = _row(found, made.labels[0], unsure)
    session.merge(
        ClipRoute(
            round_id=round_id,
            clip_id=clip_id,
            project_id=project_id,
            annotation_id=max(given.annotation_id for given in answers),
            checkpoint_id=checkpoint_id,
            n_answers=len(answers),
            created_at=now,
            **row,
        )
    )
    session.flush()
    return found.decisions[0] == Decision.ASK


def _row(found: Routes, label: str | None, unsure: float) -> dict[str, str | float | None]:
    figures = {name: float(getattr(found, name)[0]) for name in ("confidence", "gain", "mending", "ambiguity")}
    return {"decision": found.decisions[0].value, "label": label, "uncertainty": unsure} | figures
