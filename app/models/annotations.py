"""Assignments and annotations: who is asked, and what they answered."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class AssignmentState(StrEnum):
    """open → leased → done; a skip leaves the row to its annotator (skipped), reopens it, or takes the clip out."""

    OPEN = "open"
    LEASED = "leased"
    DONE = "done"
    SKIPPED = "skipped"
    OUT = "out"


class Kind(StrEnum):
    """Why somebody is asked. Only the first two make labels; the page shows all of them alike.

    answer: one of the answers a round wants. again: an annotator is asked once more about a clip he answered. repeat:
    the same, to see whether he says the same. gold: a clip whose answer is known. qualification: one of the clips that
    open the door.
    """

    ANSWER = "answer"
    AGAIN = "again"
    REPEAT = "repeat"
    GOLD = "gold"
    QUALIFICATION = "qualification"


COUNTED = (Kind.ANSWER, Kind.AGAIN)
_KINDS = "kind IN ('answer', 'again', 'repeat', 'gold', 'qualification')"
_LIVE_SLOT = "kind = 'answer' AND state IN ('open', 'leased', 'done')"
_IS_EVENT = "supersedes_id IS NOT NULL"


class Assignment(Base):
    """One answer that is wanted for one clip, held by at most one annotator at a time.

    A round wants `overlap` of them a clip, and ends when none waits; assignments without a round wait for nobody.
    `fence` grows with every claim: a lease is written `<assignment id>.<fence>`, so a late holder is recognised and
    refused. A slot has one live row, and an annotator holds one answer to a clip in a round. `addressee_id` reserves
    the row for one annotator. `shown` is the guess of a checkpoint that the holder sees, where the project shows any.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("clip_id", "account_id", "round_id", "kind", name="uq_assignments_heard"),
        Index(
            "uq_assignments_slot",
            "round_id",
            "clip_id",
            "slot",
            unique=True,
            sqlite_where=text(_LIVE_SLOT),
            postgresql_where=text(_LIVE_SLOT),
        ),
        Index("ix_assignments_queue", "project_id", "state", "position", "id"),
        Index("ix_assignments_round", "round_id", "state"),
        CheckConstraint("state IN ('open', 'leased', 'done', 'skipped', 'out')", name="state"),
        CheckConstraint("(state IN ('leased', 'done', 'skipped')) = (account_id IS NOT NULL)", name="holder"),
        CheckConstraint(_KINDS, name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(15), default=Kind.ANSWER.value, server_default=Kind.ANSWER.value)
    slot: Mapped[int]
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    addressee_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    fence: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None]
    shown: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Annotation(Base):
    """One event: an annotator's answer to one clip, the reason it was skipped, or that an answer is taken back.

    Appended, never edited. `supersedes_id` names the event this one replaces (a revision, a second answer) or, when
    `withdrawn`, takes back; an event that nothing supersedes is live. The idempotency key is the client's: sending it
    again returns the first answer.

    `label` is the one class, or the strongest of `intensities` ({class: 0–1}) where one is strongest. Both are names of
    the scheme's version `scheme_version`. `effect` is what a skip did to the clip, `shown` the guess the annotator saw,
    and `correct` whether an answer to a clip with a known answer was right when it was given.
    """

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("account_id", "idempotency_key"),
        CheckConstraint(_KINDS, name="kind"),
        CheckConstraint(
            "skip_reason IS NULL OR (label IS NULL AND NOT unclear AND NOT withdrawn)", name="skip_says_nothing"
        ),
        CheckConstraint("NOT withdrawn OR (label IS NULL AND supersedes_id IS NOT NULL)", name="withdrawal"),
        Index("ix_annotations_project_clip", "project_id", "clip_id"),
        Index("ix_annotations_history", "project_id", "account_id", "id"),
        Index(
            "uq_annotations_supersedes",
            "supersedes_id",
            unique=True,
            sqlite_where=text(_IS_EVENT),
            postgresql_where=text(_IS_EVENT),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"))
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    fence: Mapped[int]
    kind: Mapped[str] = mapped_column(String(15), default=Kind.ANSWER.value, server_default=Kind.ANSWER.value)
    scheme_version: Mapped[int] = mapped_column(default=1, server_default="1")
    label: Mapped[str | None] = mapped_column(String(200))
    intensities: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    unclear: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    dimensions: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    skip_reason: Mapped[str | None] = mapped_column(String(50))
    effect: Mapped[str | None] = mapped_column(String(15))
    comment: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None]
    shown: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    correct: Mapped[bool | None]
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"))
    withdrawn: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class ClipOverlap(Base):
    """How many answers an operator wants for one clip of a round, where it is not the round's own number."""

    __tablename__ = "clip_overlaps"
    __table_args__ = (CheckConstraint("overlap >= 1", name="overlap"),)

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"), primary_key=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True)
    overlap: Mapped[int]
