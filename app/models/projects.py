"""Projects: one scheme, one pile of audio, one team of annotators, one learning curve."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Project(Base):
    """What a team labels and how: scheme, encoder, recipe, query strategy and the defaults of its rounds.

    `encoder` is what the operator named; `encoder_checkpoint_id` is the adapted encoder that replaced it, if any.
    `control_share` is the size of the random control arm relative to the strategy's acquisition batch.
    `overlap` is how many annotators answer one clip; `budget` how many labels the project may still buy in all.
    `fairness` names the clips' columns whose groups every evaluation compares, and the gap above which a round warns:
    {"columns": ["gender"], "limit": 0.1}. `scheme` is the newest of its versions, `scheme_version` its number; the ones
    before it are in `former_schemes`. `annotating` says how the queue asks: `app/annotations/settings.py`.
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
    scheme_version: Mapped[int] = mapped_column(default=1, server_default="1")
    annotating: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
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
    fairness: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    seed: Mapped[int]
    created_at: Mapped[datetime]
