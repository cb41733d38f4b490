"""Bridges: webhooks with their outbox and deliveries, exports that never change, Label Studio.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WAITING = sa.text("NOT fanned_out")
PENDING = sa.text("state = 'pending'")


def _belongs(table: str, column: str, to: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"), ondelete=ondelete)


def _id(table: str) -> tuple[sa.Column, sa.PrimaryKeyConstraint]:
    return sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))


def upgrade() -> None:
    _webhooks_up()
    _exports_up()
    _label_studio_up()


def _webhooks_up() -> None:
    op.create_table(
        "webhooks",
        *_id("webhooks"),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(length=100), nullable=False),
        sa.Column("paused_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _belongs("webhooks", "project_id", "projects"),
    )
    op.create_index("ix_webhooks_project", "webhooks", ["project_id"])
    op.create_table(
        "outbox_events",
        *_id("outbox_events"),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=True),
        sa.Column("fanned_out", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _belongs("outbox_events", "project_id", "projects"),
        sa.UniqueConstraint("project_id", "subject", name=op.f("uq_outbox_events_project_id_subject")),
    )
    op.create_index(
        "ix_outbox_events_waiting", "outbox_events", ["id"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index("ix_outbox_events_project", "outbox_events", ["project_id", "id"])
    op.create_table(
        "deliveries",
        *_id("deliveries"),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        _belongs("deliveries", "webhook_id", "webhooks"),
        _belongs("deliveries", "event_id", "outbox_events"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'given_up')", name=op.f("ck_deliveries_state")),
        sa.UniqueConstraint("webhook_id", "event_id", name=op.f("uq_deliveries_webhook_id_event_id")),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["due_at"], sqlite_where=PENDING, postgresql_where=PENDING)
    op.create_index("ix_deliveries_event_id", "deliveries", ["event_id"])
    op.create_table(
        "delivery_attempts",
        *_id("delivery_attempts"),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _belongs("delivery_attempts", "delivery_id", "deliveries"),
    )
    op.create_index("ix_delivery_attempts_delivery_id", "delivery_attempts", ["delivery_id"])


def _exports_up() -> None:
    op.create_table(
        "snapshots",
        *_id("snapshots"),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("audio", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        _belongs("snapshots", "project_id", "projects"),
        _belongs("snapshots", "job_id", "jobs", ondelete="SET NULL"),
    )
    op.create_index("ix_snapshots_project_id", "snapshots", ["project_id"])


def _label_studio_up() -> None:
    op.create_table(
        "label_studio_links",
        *_id("label_studio_links"),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("token", sa.String(length=2000), nullable=False),
        sa.Column("their_project", sa.Integer(), nullable=False),
        sa.Column("our_url", sa.String(length=2000), nullable=False),
        sa.Column("secret", sa.String(length=100), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("follow", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _belongs("label_studio_links", "project_id", "projects"),
        sa.UniqueConstraint("project_id", name=op.f("uq_label_studio_links_project_id")),
    )
    op.create_table(
        "label_studio_tasks",
        *_id("label_studio_tasks"),
        sa.Column("link_id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.Integer(), nullable=False),
        sa.Column("their_task", sa.Integer(), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _belongs("label_studio_tasks", "link_id", "label_studio_links"),
        _belongs("label_studio_tasks", "clip_id", "clips"),
        sa.UniqueConstraint("link_id", "clip_id", name=op.f("uq_label_studio_tasks_link_id_clip_id")),
        sa.UniqueConstraint("link_id", "their_task", name=op.f("uq_label_studio_tasks_link_id_their_task")),
    )
    op.create_index("ix_label_studio_tasks_clip_id", "label_studio_tasks", ["clip_id"])


def downgrade() -> None:
    for table in (
        "label_studio_tasks",
        "label_studio_links",
        "snapshots",
        "delivery_attempts",
        "deliveries",
        "outbox_events",
        "webhooks",
    ):
        op.drop_table(table)
