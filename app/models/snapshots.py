"""Snapshots: exports that never change."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Snapshot(Base):
    """What a project held at one moment, as one file that is served for ever under the SHA-256 of its bytes.

    A job writes it; until then `sha256` is null and the job's state says how far it is. The bytes hold nothing but
    content (no moment of export, no random name), so the same content has the same digest. `n` counts rows.
    """

    __tablename__ = "snapshots"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    what: Mapped[str] = mapped_column(String(20))
    format: Mapped[str] = mapped_column(String(20))
    audio: Mapped[bool]
    sha256: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    n: Mapped[int | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
