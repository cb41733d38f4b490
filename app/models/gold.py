"""Gold clips and qualifications: what annotators are measured by."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class GoldClip(Base):
    """A clip whose answer is known: hidden among real clips (gold), or asked before them (qualification).

    Any of `labels` is right; `dimensions` maps a name to the range [low, high] that is right.
    """

    __tablename__ = "gold_clips"
    __table_args__ = (
        UniqueConstraint("project_id", "clip_id"),
        CheckConstraint("use IN ('gold', 'qualification')", name="use"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"))
    use: Mapped[str] = mapped_column(String(15))
    labels: Mapped[list[Any]]
    dimensions: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Qualification(Base):
    """How an annotator's qualification for a project ended: passed or failed by answers, or waived by an operator."""

    __tablename__ = "qualifications"
    __table_args__ = (CheckConstraint("state IN ('passed', 'failed', 'waived')", name="state"),)

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    asked: Mapped[int]
    correct: Mapped[int]
    decided_at: Mapped[datetime]
