"""What the annotators' room needs: events that supersede each other, probes, gold clips, scheme versions, rulings.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = "kind IN ('answer', 'again', 'repeat', 'gold', 'qualification')"
LIVE_SLOT = sa.text("kind = 'answer' AND state IN ('open', 'leased', 'done')")
IS_EVENT = sa.text("supersedes_id IS NOT NULL")


def _belongs(table: str, column: str, to: str, ondelete: str | None = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"), ondelete=ondelete)


def upgrade() -> None:
    op.add_column("projects", sa.Column("scheme_version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("projects", sa.Column("annotating", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("rounds", sa.Column("adaptive", sa.JSON(), nullable=True))
    _assignments_up()
    _annotations_up()
    _tables_up()


def _assignments_up() -> None:
    op.drop_index("ix_assignments_clip_id", table_name="assignments")
    op.drop_index("ix_assignments_round_id", table_name="assignments")
    with op.batch_alter_table("assignments") as table:
        table.alter_column("round_id", existing_type=sa.Integer(), nullable=True)
        table.add_column(sa.Column("kind", sa.String(length=15), nullable=False, server_default="answer"))
        table.add_column(sa.Column("addressee_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("shown", sa.JSON(), nullable=True))
        table.drop_constraint("uq_assignments_round_id_clip_id_account_id", type_="unique")
        table.drop_constraint("uq_assignments_round_id_clip_id_slot", type_="unique")
        table.drop_constraint(op.f("ck_assignments_state"), type_="check")
        table.drop_constraint(op.f("ck_assignments_holder"), type_="check")
        table.create_check_constraint(
            op.f("ck_assignments_state"), "state IN ('open', 'leased', 'done', 'skipped', 'out')"
        )
        table.create_check_constraint(
            op.f("ck_assignments_holder"), "(state IN ('leased', 'done', 'skipped')) = (account_id IS NOT NULL)"
        )
        table.create_check_constraint(op.f("ck_assignments_kind"), KINDS)
        table.create_unique_constraint("uq_assignments_heard", ["clip_id", "account_id", "round_id", "kind"])
        table.create_foreign_key(op.f("fk_assignments_addressee_id_accounts"), "accounts", ["addressee_id"], ["id"])
    op.create_index("ix_assignments_round", "assignments", ["round_id", "state"])
    op.drop_index("ix_assignments_queue", table_name="assignments")
    op.create_index("ix_assignments_queue", "assignments", ["project_id", "state", "position", "id"])  # sorted for claims
    op.create_index(
        "uq_assignments_slot",
        "assignments",
        ["round_id", "clip_id", "slot"],
        unique=True,
        sqlite_where=LIVE_SLOT,
        postgresql_where=LIVE_SLOT,
    )


def _annotations_up() -> None:
    with op.batch_alter_table("annotations") as table:
        table.add_column(sa.Column("kind", sa.String(length=15), nullable=False, server_default="answer"))
        table.add_column(sa.Column("scheme_version", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("intensities", sa.JSON(), nullable=True))
        table.add_column(sa.Column("unclear", sa.Boolean(), nullable=False, server_default=sa.text("false")))
        table.add_column(sa.Column("effect", sa.String(length=15), nullable=True))
        table.add_column(sa.Column("shown", sa.JSON(), nullable=True))
        table.add_column(sa.Column("correct", sa.Boolean(), nullable=True))
        table.add_column(sa.Column("supersedes_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.text("false")))
        table.drop_constraint(op.f("ck_annotations_label_or_skip"), type_="check")
        table.create_check_constraint(op.f("ck_annotations_kind"), KINDS)
        table.create_check_constraint(
            op.f("ck_annotations_skip_says_nothing"),
            "skip_reason IS NULL OR (label IS NULL AND NOT unclear AND NOT withdrawn)",
        )
        table.create_check_constraint(
            op.f("ck_annotations_withdrawal"), "NOT withdrawn OR (label IS NULL AND supersedes_id IS NOT NULL)"
        )
        table.create_foreign_key(
            op.f("fk_annotations_supersedes_id_annotations"),
            "annotations",
            ["supersedes_id"],
            ["id"],
            ondelete="CASCADE",
        )
    op.create_index("ix_annotations_history", "annotations", ["project_id", "account_id", "id"])
    op.create_index(
        "uq_annotations_supersedes",
        "annotations",
        ["supersedes_id"],
        unique=True,
        sqlite_where=IS_EVENT,
        postgresql_where=IS_EVENT,
    )
    # what a skip did was fixed by its reason until now
    op.execute(
        "UPDATE annotations SET effect = CASE WHEN skip_reason IN ('bad_audio', 'not_speech') THEN 'out' "
        "ELSE 'others' END WHERE skip_reason IS NOT NULL"
    )


def _tables_up() -> None:
    op.create_table(
        "clip_overlaps",
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.CheckConstraint("overlap >= 1", name=op.f("ck_clip_overlaps_overlap")),
        _belongs("clip_overlaps", "round_id", "rounds"),
        _belongs("clip_overlaps", "clip_id", "clips"),
        sa.PrimaryKeyConstraint("round_id", "clip_id", name=op.f("pk_clip_overlaps")),
    )
    op.create_table(
        "gold_clips",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.Integer(), nullable=False),
        sa.Column("use", sa.String(length=15), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("dimensions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("use IN ('gold', 'qualification')", name=op.f("ck_gold_clips_use")),
        _belongs("gold_clips", "project_id", "projects"),
        _belongs("gold_clips", "clip_id", "clips"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gold_clips")),
        sa.UniqueConstraint("project_id", "clip_id", name=op.f("uq_gold_clips_project_id_clip_id")),
    )
    op.create_table(
        "qualifications",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('passed', 'failed', 'waived')", name=op.f("ck_qualifications_state")),
        _belongs("qualifications", "project_id", "projects"),
        _belongs("qualifications", "account_id", "accounts", None),
        sa.PrimaryKeyConstraint("project_id", "account_id", name=op.f("pk_qualifications")),
    )
    op.create_table(
        "former_schemes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("scheme", sa.JSON(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        _belongs("former_schemes", "project_id", "projects"),
        _belongs("former_schemes", "account_id", "accounts", None),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_schemes")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_former_schemes_project_id_version")),
    )
    op.create_table(
        "adjudications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("clip_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=15), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=True),
        sa.Column("dimensions", sa.JSON(), nullable=True),
        sa.Column("scheme_version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "decision IN ('label', 'ambiguous', 'exclude', 'ask_others', 'ask_again')",
            name=op.f("ck_adjudications_decision"),
        ),
        _belongs("adjudications", "project_id", "projects"),
        _belongs("adjudications", "clip_id", "clips"),
        _belongs("adjudications", "account_id", "accounts", None),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudications")),
    )
    op.create_index("ix_adjudications_clip", "adjudications", ["project_id", "clip_id"])
    op.create_table(
        "guesses",
        sa.Column("clip_id", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=False),
        _belongs("guesses", "clip_id", "clips"),
        _belongs("guesses", "checkpoint_id", "checkpoints"),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_guesses")),
    )
    op.create_index("ix_guesses_checkpoint_id", "guesses", ["checkpoint_id"])


def downgrade() -> None:
    for name in ("guesses", "adjudications", "former_schemes", "qualifications", "gold_clips", "clip_overlaps"):
        op.drop_table(name)
    _annotations_down()
    _assignments_down()
    op.drop_column("rounds", "adaptive")
    op.drop_column("projects", "annotating")
    op.drop_column("projects", "scheme_version")


def _annotations_down() -> None:
    # the old table holds what counts: one class or a skip, and no event that replaces another
    op.execute(
        "UPDATE annotations SET effect = 'gone' WHERE withdrawn OR kind NOT IN ('answer', 'again') "
        "OR (label IS NULL AND skip_reason IS NULL) "
        "OR EXISTS (SELECT 1 FROM annotations AS later WHERE later.supersedes_id = annotations.id)"
    )
    op.execute("UPDATE annotations SET supersedes_id = NULL, withdrawn = false WHERE supersedes_id IS NOT NULL")
    op.execute("DELETE FROM annotations WHERE effect = 'gone'")
    op.drop_index("uq_annotations_supersedes", table_name="annotations")
    op.drop_index("ix_annotations_history", table_name="annotations")
    with op.batch_alter_table("annotations") as table:
        table.drop_constraint(op.f("fk_annotations_supersedes_id_annotations"), type_="foreignkey")
        for name in ("withdrawal", "skip_says_nothing", "kind"):
            table.drop_constraint(op.f(f"ck_annotations_{name}"), type_="check")
        table.create_check_constraint(
            op.f("ck_annotations_label_or_skip"), "(label IS NULL) <> (skip_reason IS NULL)"
        )
        for name in (
            "withdrawn", "supersedes_id", "correct", "shown", "effect", "unclear", "intensities", "scheme_version",
            "kind",
        ):  # fmt: skip
            table.drop_column(name)


def _assignments_down() -> None:
    # the old table holds what a round wants, one row a slot
    op.execute("DELETE FROM assignments WHERE round_id IS NULL OR kind <> 'answer' OR state = 'skipped'")
    op.execute(
        "DELETE FROM assignments WHERE EXISTS (SELECT 1 FROM assignments AS other WHERE other.id < assignments.id AND "
        "other.round_id = assignments.round_id AND other.clip_id = assignments.clip_id AND "
        "other.slot = assignments.slot)"
    )
    op.execute("DELETE FROM annotations WHERE assignment_id NOT IN (SELECT id FROM assignments)")  # SQLite cascades not
    op.drop_index("uq_assignments_slot", table_name="assignments")
    op.drop_index("ix_assignments_round", table_name="assignments")
    with op.batch_alter_table("assignments") as table:
        table.drop_constraint(op.f("fk_assignments_addressee_id_accounts"), type_="foreignkey")
        table.drop_constraint("uq_assignments_heard", type_="unique")
        for name in ("kind", "holder", "state"):
            table.drop_constraint(op.f(f"ck_assignments_{name}"), type_="check")
        table.create_check_constraint(op.f("ck_assignments_state"), "state IN ('open', 'leased', 'done', 'out')")
        table.create_check_constraint(
            op.f("ck_assignments_holder"), "(state IN ('leased', 'done')) = (account_id IS NOT NULL)"
        )
        table.create_unique_constraint("uq_assignments_round_id_clip_id_slot", ["round_id", "clip_id", "slot"])
        table.create_unique_constraint(
            "uq_assignments_round_id_clip_id_account_id", ["round_id", "clip_id", "account_id"]
        )
        for name in ("shown", "addressee_id", "kind"):
            table.drop_column(name)
        table.alter_column("round_id", existing_type=sa.Integer(), nullable=False)
    op.drop_index("ix_assignments_queue", table_name="assignments")
    op.create_index("ix_assignments_queue", "assignments", ["project_id", "state", "position"])
    op.create_index("ix_assignments_clip_id", "assignments", ["clip_id"])
    op.create_index("ix_assignments_round_id", "assignments", ["round_id"])
