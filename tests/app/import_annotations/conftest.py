"""Importing answers into a project."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from app.imports.annotations import Report, import_annotations


@pytest.fixture
def bring(api) -> Callable[..., Report]:
    """Import rows (JSON lines), or bytes in a format; the last report."""

    def run(project_id: int, rows: list[dict[str, Any]] | bytes, format: str = "jsonl", **more: Any) -> Report:
        data = rows if isinstance(rows, bytes) else "\n".join(map(json.dumps, rows)).encode()
        return list(import_annotations(api.db, project_id, io.BytesIO(data), format, **more))[-1]

    return run


@pytest.fixture
def project(api, wav_bytes) -> int:
    """Three clips nobody answered yet."""
    project_id = api.project()
    for seed in range(3):
        api.upload(project_id, wav_bytes(seed=seed), external_id=f"c{seed}")
    return project_id
