"""Assignments and annotations: who is asked, and what they answered."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class AssignmentState(StrEnum):
    """open → leased → done; a skip reopens the assignment for others or takes the clip out."""

    OPEN = "open"
    LEASED = "leased"
    DONE = "done"
    OUT = "out"


class Assignment(Base):
    """One answer a round wants for one clip: `overlap` of them a clip, each held by at most one annotator at a time.

    `fence` grows with every claim. A lease is written `<assignment id>.<fence>`, so a late holder is recognised and
    refused. The unique constraint keeps one annotator from holding two answers to one clip.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("round_id", "clip_id", "slot"),
        UniqueConstraint("round_id", "clip_id", "account_id"),
        Index("ix_assignments_queue", "project_id", "state", "position"),
        CheckConstraint("state IN ('open', 'leased', 'done', 'out')", name="state"),
        CheckConstraint("(state IN ('leased', 'done')) = (account_id IS NOT NULL)", name="holder"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"), index=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), index=True)
    slot: Mapped[int]
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    fence: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None]


class Annotation(Base):
    """One annotator's answer to one clip, or the reason it was skipped. Appended, never edited.

    The idempotency key is the client's: sending it again returns the first answer.
    """

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("account_id", "idempotency_key"),
        CheckConstraint("(label IS NULL) <> (skip_reason IS NULL)", name="label_or_skip"),
        Index("ix_annotations_project_clip", "project_id", "clip_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"))
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    fence: Mapped[int]
    label: Mapped[str | None] = mapped_column(String(200))
    skip_reason: Mapped[str | None] = mapped_column(String(50))
    comment: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None]
    idempotency_key: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
