"""Adjudications: what somebody decided about a disputed clip."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Decision(StrEnum):
    """A class (or dimensions), the answers' own distribution, no label at all, or ask again: others or the same."""

    LABEL = "label"
    AMBIGUOUS = "ambiguous"
    EXCLUDE = "exclude"
    ASK_OTHERS = "ask_others"
    ASK_AGAIN = "ask_again"


RULINGS = (Decision.LABEL, Decision.AMBIGUOUS, Decision.EXCLUDE)


class Adjudication(Base):
    """One decision about one clip, with its reason. Appended, never edited: the newest ruling of a clip is its label.

    The annotators' answers stay as they are.
    """

    __tablename__ = "adjudications"
    __table_args__ = (
        CheckConstraint("decision IN ('label', 'ambiguous', 'exclude', 'ask_others', 'ask_again')", name="decision"),
        Index("ix_adjudications_clip", "project_id", "clip_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    decision: Mapped[str] = mapped_column(String(15))
    label: Mapped[str | None] = mapped_column(String(200))
    dimensions: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    scheme_version: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
