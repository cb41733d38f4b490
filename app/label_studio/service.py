"""Which Label Studio project serves which of ours. The functions that take a session flush and never commit."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.annotations.settings import SkipReason, read_annotating
from app.db import Database
from app.errors import ConflictError, NotFoundError
from app.jobs import queue
from app.label_studio.client import LabelStudio
from app.label_studio.layout import layout
from app.models import Job, JobState, LabelStudioLink, Project
from app.projects.service import get_project
from app.specs import read_scheme

SECRET_HEADER = "X-Afterloop-Secret"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator says of a Label Studio project.

    Attributes:
        url, token: the server and a token of somebody who may change the project.
        their_project: its id there; None makes a new one from our scheme.
        our_url: how Label Studio and its annotators' browsers reach this service.
        follow: whether rounds are pushed by themselves.
    """

    url: str
    token: str
    their_project: int | None
    our_url: str
    follow: bool


def connect(database: Database, project_id: int, wish: Wish, allow_private: bool, *, now: datetime) -> LabelStudioLink:
    """Make or take a project over there, have it call us, and remember it.

    Nothing is open in the database while Label Studio is asked.

    Raises:
        NotFoundError: there is no such project.
        ConflictError: the project is connected already.
        AddressError, LabelStudioError: the server cannot be asked, or refuses.
    """
    with database.read() as session:
        project = get_project(session, project_id)
        _refuse_second(session, project_id)
    there = LabelStudio(wish.url, wish.token, allow_private).signed_in()
    their_project = wish.their_project or there.create_project(project.name, config_of(project), project.instructions)
    people = {str(number): name for number, name in there.people().items()}
    with database.write() as session:
        _refuse_second(session, project_id)
        link = LabelStudioLink(
            project_id=project_id,
            url=wish.url.rstrip("/"),
            token=wish.token,
            their_project=their_project,
            our_url=wish.our_url.rstrip("/"),
            secret=secrets.token_urlsafe(32),
            people=people,
            follow=wish.follow,
            created_at=now,
        )
        session.add(link)
        session.flush()
    try:
        there.call_us(their_project, f"{link.our_url}/api/v1/label-studio/{link.id}/events", SECRET_HEADER, link.secret)
    except BaseException:
        with database.write() as session:
            session.execute(delete(LabelStudioLink).where(LabelStudioLink.id == link.id))
        raise
    return link


def config_of(project: Project) -> str:
    """The labelling configuration that asks what the project's scheme asks."""
    settings = read_annotating(project.annotating)
    return layout(read_scheme(project.scheme), list(SkipReason), settings.unclear, settings.several_classes)


def link_of(session: Session, project_id: int) -> LabelStudioLink:
    """The project's connection; NotFoundError when there is none."""
    get_project(session, project_id)
    found = session.scalar(select(LabelStudioLink).where(LabelStudioLink.project_id == project_id))
    if found is None:
        raise NotFoundError(f"project {project_id} is not connected to Label Studio: connect it first")
    return found


def get_link(session: Session, link_id: int) -> LabelStudioLink:
    """The connection; NotFoundError when there is none."""
    found = session.get(LabelStudioLink, link_id)
    if found is None:
        raise NotFoundError(f"there is no connection {link_id} to Label Studio")
    return found


def disconnect(session: Session, project_id: int) -> None:
    """Forget the connection: its audio addresses end, what was answered stays, Label Studio keeps its tasks."""
    link = link_of(session, project_id)
    session.execute(delete(LabelStudioLink).where(LabelStudioLink.id == link.id))


def ask(session: Session, project_id: int, do: str, *, now: datetime) -> Job:
    """Queue a push or a pull, unless the same waits already."""
    link_of(session, project_id)
    waiting = select(Job).where(Job.project_id == project_id, Job.kind == "label_studio", Job.state == JobState.QUEUED)
    for job in session.scalars(waiting):
        if job.payload.get("do") == do:
            return job
    return queue.enqueue(session, "label_studio", project_id, {"do": do}, now=now)


def _refuse_second(session: Session, project_id: int) -> None:
    if session.scalar(select(LabelStudioLink.id).where(LabelStudioLink.project_id == project_id)) is not None:
        raise ConflictError(f"project {project_id} is connected to Label Studio already: disconnect it first")
