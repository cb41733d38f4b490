"""Rounds: query → annotate → fine-tune → evaluate, as rows that short jobs move."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class RoundState(StrEnum):
    """acquiring → annotating → fine_tuning → evaluating → finished; failed and cancelled end a round early."""

    ACQUIRING = "acquiring"
    ANNOTATING = "annotating"
    FINE_TUNING = "fine_tuning"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Arm(StrEnum):
    """Which of the two independent label sets a clip was chosen for."""

    STRATEGY = "strategy"
    CONTROL = "control"


OPEN_STATES = (RoundState.ACQUIRING, RoundState.ANNOTATING, RoundState.FINE_TUNING, RoundState.EVALUATING)
_OPEN = "state IN ('acquiring', 'annotating', 'fine_tuning', 'evaluating')"


class Round(Base):
    """One turn of the loop, numbered from 0. At most one is open in a project.

    The strategy, recipe, seed and encoder digest are copied in when it opens: they are the round's receipt.
    `adaptive` says when a clip is asked of more or fewer people than `overlap`: `app/annotations/settings.py`.
    `warnings` are sentences an operator should read, such as a gap between groups above the project's limit.
    """

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        Index("uq_rounds_one_open", "project_id", unique=True, sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
        CheckConstraint(
            "state IN ('acquiring', 'annotating', 'fine_tuning', 'evaluating', 'finished', 'failed', 'cancelled')",
            name="state",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    strategy: Mapped[dict[str, Any]]
    recipe: Mapped[dict[str, Any]]
    seed: Mapped[int]
    batch_size: Mapped[int]
    control_size: Mapped[int]
    overlap: Mapped[int]
    adaptive: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    encoder_digest: Mapped[str | None] = mapped_column(String(64))
    seconds_select: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Pick(Base):
    """One clip of an arm's acquisition batch: why it is there, kept for ever. Older rows have rank and score alone.

    `nearest_clip_id` is the arm's nearest labelled clip and `nearest_distance` how far it was; of the batch's clusters
    it lay in number `cluster`, with `cluster_size` clips of the pool. `guess` is the classifier's two likeliest classes
    and their probabilities, [["anger", 0.41], ["fear", 0.39]]. All four are as they were at the draw.
    """

    __tablename__ = "picks"
    __table_args__ = (
        UniqueConstraint("round_id", "arm", "clip_id"),
        UniqueConstraint("round_id", "arm", "rank"),
        CheckConstraint("arm IN ('strategy', 'control')", name="arm"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"), index=True)
    arm: Mapped[str] = mapped_column(String(20))
    clip_id: Mapped[int] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), index=True)
    rank: Mapped[int]
    score: Mapped[float]
    nearest_clip_id: Mapped[int | None]
    nearest_distance: Mapped[float | None]
    cluster: Mapped[int | None]
    cluster_size: Mapped[int | None]
    guess: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))


class ArmReceipt(Base):
    """What an arm's batch was drawn from: enough to draw it again at any later time, and digests that say if it can be.

    `strategy` is the one that was asked, `random` for the control arm. `scheme`, `labelled` ({"ids", "classes",
    "dimensions"}) and the pool are as they were. The pool is told by what is missing from it: the training clips up to
    `newest_clip_id` (ids only grow, and a project's clips are stored one after the other) but for those in `outside`,
    runs of training clips as [first id, last id]. Few clips of a large pool are labelled or closed, so a row stays as
    small as the labels it names, and never lists a pool of 100,000. `checkpoint_id` is of the classifier that was
    asked. It refers to nothing, so that it stays when the checkpoint goes.
    """

    __tablename__ = "arm_receipts"
    __table_args__ = (CheckConstraint("arm IN ('strategy', 'control')", name="arm"),)

    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"), primary_key=True)
    arm: Mapped[str] = mapped_column(String(20), primary_key=True)
    strategy: Mapped[dict[str, Any]]
    seed: Mapped[int]
    scheme: Mapped[dict[str, Any]]
    checkpoint_id: Mapped[int | None]
    size: Mapped[int]
    pool_size: Mapped[int]
    n_labelled: Mapped[int]
    encoder_digest: Mapped[str] = mapped_column(String(64))
    labels_digest: Mapped[str] = mapped_column(String(64))
    pool_digest: Mapped[str] = mapped_column(String(64))
    embeddings_digest: Mapped[str] = mapped_column(String(64))
    predictions_digest: Mapped[str | None] = mapped_column(String(64))
    checkpoint_labels_digest: Mapped[str | None] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    newest_clip_id: Mapped[int]
    outside: Mapped[list[Any]] = mapped_column(JSON, deferred=True)
    labelled: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
