"""Dimensions, groups and figures beyond UAR; a recipe's cache is its own field, no longer its method's.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FIGURES = ("uar", "uar_low", "uar_high", "wa", "macro_f1")  # null where a scheme has no classes
WITH_RECIPES = ("projects", "rounds", "checkpoints")


def upgrade() -> None:
    op.add_column("clips", sa.Column("reference_dimensions", sa.JSON(), nullable=True))
    op.add_column("clips", sa.Column("attributes", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("annotations", sa.Column("dimensions", sa.JSON(), nullable=True))
    op.add_column("projects", sa.Column("fairness", sa.JSON(), nullable=True))
    op.add_column("rounds", sa.Column("warnings", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("curve_points", sa.Column("figures", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("curve_points") as table:
        for name in FIGURES:
            table.alter_column(name, existing_type=sa.Double(), nullable=True)
    _rewrite_recipes(_cache_up)


def downgrade() -> None:
    _rewrite_recipes(_cache_down)
    op.execute("DELETE FROM curve_points WHERE uar IS NULL")  # a point of dimensions alone has no place in the old table
    with op.batch_alter_table("curve_points") as table:
        for name in FIGURES:
            table.alter_column(name, existing_type=sa.Double(), nullable=False)
    for table_name, column in (
        ("curve_points", "figures"),
        ("rounds", "warnings"),
        ("projects", "fairness"),
        ("annotations", "dimensions"),
        ("clips", "attributes"),
        ("clips", "reference_dimensions"),
    ):
        op.drop_column(table_name, column)


def _cache_up(recipe: dict[str, Any]) -> dict[str, Any]:
    """`method.cache` of last_k becomes the recipe's own `cache`."""
    method = recipe.get("method")
    if not isinstance(method, dict) or "cache" not in method:
        return recipe
    cache = method["cache"]
    rest = {name: value for name, value in method.items() if name != "cache"}
    return {"cache": cache} | recipe | {"method": rest}


def _cache_down(recipe: dict[str, Any]) -> dict[str, Any]:
    """The way back; what only the newer version can cache is read as float16."""
    method, cache = recipe.get("method"), recipe.get("cache")
    if cache is None:
        return recipe
    rest = {name: value for name, value in recipe.items() if name != "cache"}
    if not isinstance(method, dict) or method.get("kind") != "last_k":
        return rest
    return rest | {"method": method | {"cache": cache if cache in ("float16", "float32") else "float16"}}


def _rewrite_recipes(rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    connection = op.get_bind()
    for name in WITH_RECIPES:
        table = sa.table(name, sa.column("id", sa.Integer), sa.column("recipe", sa.JSON))
        for row in connection.execute(sa.select(table.c.id, table.c.recipe)).all():
            new = rewrite(row.recipe)
            if new != row.recipe:
                connection.execute(table.update().where(table.c.id == row.id).values(recipe=new))
