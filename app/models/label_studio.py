"""Label Studio as the annotators' front end: which of its projects serves which of ours, and which clips it has."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class LabelStudioLink(Base):
    """One project of a Label Studio server that annotates one project of ours.

    `token` speaks to Label Studio. `secret` is ours: Label Studio sends it back with its webhooks, and the addresses of
    audio are signed with it. `our_url` is how browsers of the annotators reach this service. With `follow`, a round
    that is ready is pushed by itself, and what nobody answered is taken back when it closes. `people` are the names
    behind Label Studio's ids of its annotators, as of the last pull.
    """

    __tablename__ = "label_studio_links"
    __table_args__ = (UniqueConstraint("project_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2000))
    token: Mapped[str] = mapped_column(String(2000))
    their_project: Mapped[int]
    our_url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str] = mapped_column(String(100))
    people: Mapped[dict[str, Any]]
    follow: Mapped[bool]
    created_at: Mapped[datetime]


class LabelStudioTask(Base):
    """A clip that was given to Label Studio, once: what makes a push repeatable and a pull certain.

    `shown` is the guess that went with it, which every answer from there records.
    """

    __tablename__ = "label_studio_tasks"
    __table_args__ = (UniqueConstraint("link_id", "clip_id"), UniqueConstraint("link_id", "their_task"))

    id: Mapped[int] = mapped_column(primary_key=True)
    link_id: Mapped[int] = mapped_column(ForeignKey("label_studio_links.id", ondelete="CASCADE"))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), index=True)
    their_task: Mapped[int]
    shown: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
