"""Why each clip was picked, and what an arm's batch was drawn from, so that the draw can be repeated.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = "arm_receipts"
REASONS = (
    ("nearest_clip_id", sa.Integer),
    ("nearest_distance", sa.Double),
    ("cluster", sa.Integer),
    ("cluster_size", sa.Integer),
    ("guess", sa.JSON),
)
DIGESTS = ("encoder", "labels", "pool", "embeddings")
DIGESTS_OF_A_CLASSIFIER = ("predictions", "checkpoint_labels")


def upgrade() -> None:
    for name, kind in REASONS:
        op.add_column("picks", sa.Column(name, kind(), nullable=True))
    op.create_table(
        TABLE,
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(length=20), nullable=False),
        sa.Column("strategy", sa.JSON(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("scheme", sa.JSON(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("pool_size", sa.Integer(), nullable=False),
        sa.Column("n_labelled", sa.Integer(), nullable=False),
        *(sa.Column(f"{name}_digest", sa.String(length=64), nullable=False) for name in DIGESTS),
        *(sa.Column(f"{name}_digest", sa.String(length=64), nullable=True) for name in DIGESTS_OF_A_CLASSIFIER),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("newest_clip_id", sa.Integer(), nullable=False),
        sa.Column("outside", sa.JSON(), nullable=False),
        sa.Column("labelled", sa.JSON(), nullable=False),
        sa.CheckConstraint("arm IN ('strategy', 'control')", name=op.f(f"ck_{TABLE}_arm")),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f(f"fk_{TABLE}_round_id_rounds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("round_id", "arm", name=op.f(f"pk_{TABLE}")),
    )


def downgrade() -> None:
    op.drop_table(TABLE)
    for name, _ in reversed(REASONS):
        op.drop_column("picks", name)
