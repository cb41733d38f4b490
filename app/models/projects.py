"""Projects: one scheme, one pile of audio, one team of annotators, one learning curve."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Project(Base):
    """What a team labels and how: scheme, encoder, recipe, query strategy and the defaults of its rounds.

    `encoder` is what the operator named; `encoder_checkpoint_id` is the adapted encoder that replaced it, if any.
    `control_share` is the size of the random control arm relative to the strategy's acquisition batch.
    `overlap` is how many annotators answer one clip; `budget` how many labels the project may still buy in all.
    """

    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("control_share BETWEEN 0 AND 1", name="control_share"),
        CheckConstraint("overlap >= 1", name="overlap"),
        CheckConstraint("batch_size >= 1", name="batch_size"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    scheme: Mapped[dict[str, Any]]
    instructions: Mapped[str] = mapped_column(Text)
    encoder: Mapped[str] = mapped_column(String(1000))
    encoder_checkpoint_id: Mapped[int | None] = mapped_column(
        ForeignKey("checkpoints.id", use_alter=True, ondelete="SET NULL")
    )
    recipe: Mapped[dict[str, Any]]
    strategy: Mapped[dict[str, Any]]
    batch_size: Mapped[int]
    overlap: Mapped[int]
    lease_s: Mapped[float]
    control_share: Mapped[float]
    budget: Mapped[int | None]
    seed: Mapped[int]
    created_at: Mapped[datetime]
