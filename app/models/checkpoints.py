"""Checkpoints: folders of weights a job finished, and which one is in use."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Checkpoint(Base):
    """A finished folder: an adapted encoder (from TAPT) or a classifier (from a round's fine-tuning).

    `folder` is relative to the data folder. At most one classifier of a project is promoted. `report` grows: what
    training said, then `two_stage` (source and target figures before and after), `stop_set` (predictions on the pool:
    agreement with the classifier before it, sureness) and `examinations` (noise, fairness);
    of an adapted encoder `verdicts`, the newest last (whether a probe loses with it, and whether it was put to use).
    """

    __tablename__ = "checkpoints"
    __table_args__ = (
        CheckConstraint("kind IN ('encoder', 'classifier')", name="kind"),
        Index(
            "uq_checkpoints_one_promoted",
            "project_id",
            unique=True,
            sqlite_where=text("promoted_at IS NOT NULL"),
            postgresql_where=text("promoted_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"))
    arm: Mapped[str | None] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    folder: Mapped[str] = mapped_column(String(500), unique=True)
    encoder_digest: Mapped[str] = mapped_column(String(64))
    labels_digest: Mapped[str | None] = mapped_column(String(64))
    recipe: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]]
    promoted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
