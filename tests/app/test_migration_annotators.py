"""Revision 0003 on a database in use: no answer is lost on the way up, and what counts is kept on the way down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from app.migrating import downgrade, upgrade

NOW = "2026-01-31 09:00:00+00:00"
BEFORE = f"""
INSERT INTO accounts (id, name, role, token_sha256, created_at) VALUES (1, 'a', 'annotator', 'x', '{NOW}');
INSERT INTO projects (id, name, scheme, instructions, encoder, recipe, strategy, batch_size, overlap, lease_s,
  control_share, seed, created_at)
  VALUES (1, 'p', '{{"classes": ["a", "b"]}}', '', 'e', '{{}}', '{{}}', 4, 2, 60, 0, 0, '{NOW}');
INSERT INTO assets VALUES ('s', 1, 'audio/wav', 1.5, '{NOW}');
INSERT INTO clips (id, project_id, asset_sha256, start_s, end_s, playback_sha256, playback_type, split, peaks,
  created_at) VALUES (1, 1, 's', 0, 1, 's', 'audio/wav', 'train', '[]', '{NOW}'),
  (2, 1, 's', 0, 1.5, 's', 'audio/wav', 'train', '[]', '{NOW}');
INSERT INTO rounds (id, project_id, number, state, strategy, recipe, seed, batch_size, control_size, overlap,
  created_at) VALUES (1, 1, 0, 'annotating', '{{}}', '{{}}', 0, 2, 0, 2, '{NOW}');
INSERT INTO assignments (id, project_id, round_id, clip_id, slot, position, state, account_id, fence)
  VALUES (1, 1, 1, 1, 0, 0, 'done', 1, 1), (2, 1, 1, 2, 0, 1, 'open', NULL, 1), (3, 1, 1, 1, 1, 2, 'open', NULL, 0);
INSERT INTO annotations (id, project_id, clip_id, assignment_id, account_id, fence, label, skip_reason,
  idempotency_key, created_at) VALUES (1, 1, 1, 1, 1, 1, 'a', NULL, 'k1', '{NOW}'),
  (2, 1, 2, 2, 1, 1, NULL, 'unsure', 'k2', '{NOW}');
"""
SINCE = f"""
INSERT INTO assignments (id, project_id, round_id, clip_id, kind, slot, position, state, account_id, fence)
  VALUES (4, 1, NULL, 2, 'gold', 0, 0, 'done', 1, 1);
INSERT INTO annotations (id, project_id, clip_id, assignment_id, account_id, fence, kind, label, withdrawn,
  supersedes_id, idempotency_key, created_at) VALUES (3, 1, 1, 1, 1, 1, 'answer', 'b', false, 1, 'k3', '{NOW}'),
  (4, 1, 2, 4, 1, 1, 'gold', 'b', false, NULL, 'k4', '{NOW}'),
  (5, 1, 1, 3, 1, 1, 'answer', 'a', false, NULL, 'k5', '{NOW}'),
  (6, 1, 1, 3, 1, 1, 'answer', NULL, true, 5, 'k6', '{NOW}');
"""


def _run(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(text(statement.replace(":", "\\:")))


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """A database at 0002 with a round in the middle."""
    url = database_url
    if url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'old.db'}"
    else:
        downgrade(url, "base")
    upgrade(url, "0002")
    engine = create_engine(url)
    with engine.begin() as connection:
        _run(connection, BEFORE)
    yield engine
    engine.dispose()
    downgrade(url, "base")
    upgrade(url)


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def test_up_and_down_keep_the_answers(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    upgrade(url, "0003")
    with engine.begin() as connection:
        events = _rows(connection, "SELECT id, kind, label, effect, scheme_version FROM annotations ORDER BY id")
        assert events == [(1, "answer", "a", None, 1), (2, "answer", None, "others", 1)]
        assert _rows(connection, "SELECT scheme_version FROM projects") == [(1,)]
        _run(connection, SINCE)
    downgrade(url, "0002")
    with engine.begin() as connection:
        assert _rows(connection, "SELECT id, label, skip_reason FROM annotations ORDER BY id") == [
            (2, None, "unsure"),
            (3, "b", None),
        ]
        assert _rows(connection, "SELECT id, state FROM assignments ORDER BY id") == [
            (1, "done"),
            (2, "open"),
            (3, "open"),
        ]
        assert "gold_clips" not in inspect(connection).get_table_names()
