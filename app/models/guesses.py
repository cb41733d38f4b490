"""Guesses: what the promoted checkpoint hears in a clip, for projects that show it to annotators."""

from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Guess(Base):
    """The newest guess for a clip: its class and probabilities ({class: share}), and the checkpoint that made it."""

    __tablename__ = "guesses"

    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(200))
    probabilities: Mapped[dict[str, Any]]
