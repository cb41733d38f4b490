"""Assets and clips: bytes of audio, and the utterances cut from them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Asset(Base):
    """One file of audio, kept once under the SHA-256 of its bytes, whoever uploaded it and how often."""

    __tablename__ = "assets"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int]
    media_type: Mapped[str] = mapped_column(String(100))
    duration_s: Mapped[float]
    created_at: Mapped[datetime]


class Clip(Base):
    """One utterance: a window of an asset in a project.

    `playback_sha256` is the blob a browser plays: the asset itself, or a FLAC of the window made at import.
    `reference_label` and `reference_dimensions` ({"arousal": 3.5}, on the scheme's own scales) came with the import
    (known answers of dev and test clips, or a labelled seed set); annotations live in their own table. `attributes` are
    the manifest's further columns as text (language, age band), by which fairness may group. `peaks` are the waveform's
    extremes per bin, for drawing.
    """

    __tablename__ = "clips"
    __table_args__ = (
        UniqueConstraint("project_id", "asset_sha256", "start_s", "end_s"),
        UniqueConstraint("project_id", "external_id"),
        CheckConstraint("split IN ('train', 'dev', 'test')", name="split"),
        CheckConstraint("end_s > start_s", name="window"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    asset_sha256: Mapped[str] = mapped_column(ForeignKey("assets.sha256"))
    start_s: Mapped[float]
    end_s: Mapped[float]
    playback_sha256: Mapped[str] = mapped_column(String(64))
    playback_type: Mapped[str] = mapped_column(String(100))
    external_id: Mapped[str | None] = mapped_column(String(1000))
    speaker: Mapped[str | None] = mapped_column(String(200))
    session: Mapped[str | None] = mapped_column(String(200))
    gender: Mapped[str | None] = mapped_column(String(50))
    text: Mapped[str | None] = mapped_column(Text)
    split: Mapped[str] = mapped_column(String(5))
    reference_label: Mapped[str | None] = mapped_column(String(200))
    reference_dimensions: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    peaks: Mapped[list[Any]]
    created_at: Mapped[datetime]

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return self.end_s - self.start_s
