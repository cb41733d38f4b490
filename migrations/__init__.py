"""Alembic: the revisions that build and change the tables."""
