"""Learning-curve points: what the labels of a round bought."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class CurvePoint(Base):
    """Quality of one arm after one round, on the project's fixed test split.

    `uar_low` and `uar_high` bound a 95 % bootstrap interval over test speakers; `minutes` is the audio annotators
    listened to for this arm's labels so far; `seconds` maps a stage of the round to the seconds it took. The five
    columns of class figures are null where the scheme has dimensions alone. `figures` holds everything else: all
    intervals, ECE, confusion, CCC and RMSE of each dimension, fairness of each column.
    """

    __tablename__ = "curve_points"
    __table_args__ = (UniqueConstraint("round_id", "arm"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"))
    arm: Mapped[str] = mapped_column(String(20))
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id", ondelete="CASCADE"))
    n_labels: Mapped[int]
    minutes: Mapped[float]
    uar: Mapped[float | None]
    uar_low: Mapped[float | None]
    uar_high: Mapped[float | None]
    wa: Mapped[float | None]
    macro_f1: Mapped[float | None]
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    strategy: Mapped[str] = mapped_column(String(300))
    seed: Mapped[int]
    seconds: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
