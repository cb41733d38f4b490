"""What rounds that route decided about their clips.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLE = "clip_routes"
FIGURES = ("uncertainty", "confidence", "gain", "mending", "ambiguity")


def _belongs(column: str, to: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{TABLE}_{column}_{to}"), ondelete=ondelete)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("annotation_id", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=True),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=True),
        sa.Column("n_answers", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in FIGURES),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "decision IN ('ask', 'adjudicate', 'ambiguous', 'settled')", name=op.f(f"ck_{TABLE}_decision")
        ),
        _belongs("round_id", "rounds"),
        _belongs("clip_id", "clips"),
        _belongs("project_id", "projects"),
        _belongs("annotation_id", "annotations"),
        _belongs("checkpoint_id", "checkpoints", "SET NULL"),
        sa.PrimaryKeyConstraint("round_id", "clip_id", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index("ix_clip_routes_clip", TABLE, ["project_id", "clip_id"])
    op.create_index("ix_clip_routes_annotation_id", TABLE, ["annotation_id"])


def downgrade() -> None:
    op.drop_table(TABLE)
