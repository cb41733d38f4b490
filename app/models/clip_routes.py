"""Clip routes: what a round that routes decided about a clip when its newest answer came."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class ClipRoute(Base):
    """The newest decision about one clip of a round, and the figures behind it (`al_core/agreement/routing.py`).

    It was made for `n_answers` answers, the newest of them `annotation_id`: when the answers that count are others (one
    was revised or taken back), it holds no more. `uncertainty` is the model's, from the guess of `checkpoint_id`, or
    from the base rates of the classes where that is null. `confidence` is the label's.
    """

    __tablename__ = "clip_routes"
    __table_args__ = (
        CheckConstraint("decision IN ('ask', 'adjudicate', 'ambiguous', 'settled')", name="decision"),
        Index("ix_clip_routes_clip", "project_id", "clip_id"),
    )

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"), primary_key=True)
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    annotation_id: Mapped[int] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[int | None] = mapped_column(ForeignKey("checkpoints.id", ondelete="SET NULL"))
    decision: Mapped[str] = mapped_column(String(10))
    label: Mapped[str | None] = mapped_column(String(200))
    n_answers: Mapped[int]
    uncertainty: Mapped[float]
    confidence: Mapped[float]
    gain: Mapped[float]
    mending: Mapped[float]
    ambiguity: Mapped[float]
    created_at: Mapped[datetime]
