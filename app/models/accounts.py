"""Accounts: who may call the service."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Role(StrEnum):
    """What an account may do: a viewer reads, an annotator also labels, an operator also runs, an admin also grants."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    OPERATOR = "operator"
    ADMIN = "admin"


class Account(Base):
    """A person or program with one bearer token, of which only the SHA-256 is stored."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'annotator', 'operator', 'admin')", name="role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
