"""What people answered and what it adds up to, as text, streamed in short reads while it is downloaded.

For an export that never changes, or in a binary format, see `snapshots`.
"""

from collections.abc import Iterator

from app.db import Database
from app.exports.formats import Plain, lines
from app.exports.source import What, live


def export(database: Database, project_id: int, what: What = "annotations", format: Plain = "jsonl") -> Iterator[str]:
    """The parts of an export, in order of clip; NotFoundError when there is no such project."""
    return lines(live(database, project_id), what, format)
