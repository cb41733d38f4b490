"""What an annotator gets when he asks for clips: the qualification set first, then the round's clips with probes."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.annotations import leases, probes, statements
from app.annotations.closing import close_if_done
from app.annotations.leases import Lease
from app.annotations.settings import Annotating, parse_annotating
from app.annotations.statements import run
from app.errors import NotFoundError
from app.models import RoundState


@dataclass(frozen=True, slots=True)
class NewestRound:
    """The project's newest round."""

    id: int
    number: int
    state: RoundState


@dataclass(frozen=True, slots=True)
class ProjectNow:
    """What leasing needs of a project: `standing` is how the annotator's qualification ended, if it did."""

    lease_s: float
    settings: Annotating
    standing: str | None
    round: NewestRound | None
    remaining: int

    @property
    def qualification(self) -> str | None:
        """open, passed or failed; None where the project has no qualification."""
        if self.settings.qualification is None:
            return None
        return "passed" if self.standing in probes.PASSED else self.standing or "open"


@dataclass(frozen=True, slots=True)
class Offer:
    """Leases in the order in which to answer them, and what an empty list is to be understood by."""

    leases: list[Lease]
    project: ProjectNow


def project_now(session: Session, project_id: int, account_id: int) -> ProjectNow:
    """The settings, the newest round and what it waits for; NotFoundError when there is no such project."""
    row: Any = run(session, statements.PROJECT_NOW, of_project=project_id, me=account_id).first()
    if row is None:
        raise NotFoundError(f"there is no project {project_id}")
    newest = None if row.id is None else NewestRound(row.id, row.number, RoundState(row.state))
    return ProjectNow(row.lease_s, parse_annotating(row.annotating), row.standing, newest, row.remaining)


def offer(
    session: Session,
    project_id: int,
    account_id: int,
    count: int,
    *,
    now: datetime,
    draw: probes.Draw = random.random,
) -> Offer:
    """Lease up to `count` clips to the annotator. `draw` decides by chance which are probes.

    Raises:
        NotFoundError: there is no such project.
    """
    project = project_now(session, project_id, account_id)
    who = (session, project_id, account_id, count, project.lease_s)
    if project.qualification == "failed":
        return Offer([], project)
    if project.qualification == "open":
        asked = probes.qualify(*who, now=now)
        if asked:
            return Offer(asked, project)
        if asked is not None:  # all of them answered, or the rest taken out of the set
            probes.decide(session, project_id, account_id, project.settings, now=now)
            project = project_now(session, project_id, account_id)
            if project.qualification != "passed":
                return Offer([], project)
    probed = project.settings.gold_rate + project.settings.repeat_rate > 0
    if probed:
        leases.one_request_at_a_time(session, account_id)
    given = leases.claim(*who, now=now)
    if probed:
        given = probes.mix_in(session, project_id, account_id, given, project.settings, draw)
    if project.settings.preannotations and given:
        given = probes.reveal(session, given)
    newest = project.round
    if not given and not project.remaining and newest is not None and newest.state == RoundState.ANNOTATING:
        close_if_done(session, project_id, newest.id, now=now)
    return Offer(given, project)


def held(session: Session, project_id: int, account_id: int) -> Offer:
    """What the annotator holds now; NotFoundError when there is no such project."""
    project = project_now(session, project_id, account_id)
    return Offer(leases.held(session, project_id, account_id), project)
