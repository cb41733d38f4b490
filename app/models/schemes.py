"""Former schemes: what a project's annotators could answer before its scheme was changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class FormerScheme(Base):
    """A version of a project's scheme that another one replaced, and how its classes map onto that one.

    `mapping` gives every class its successors: one (kept, renamed or merged), several (split: an answer of this class
    decides nothing until it is given again), or none (dropped). The scheme in use is the project's own.
    """

    __tablename__ = "former_schemes"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    version: Mapped[int]
    scheme: Mapped[dict[str, Any]]
    mapping: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    replaced_at: Mapped[datetime]
