"""export: write a snapshot."""

from typing import cast

from app.db import utcnow
from app.exports import snapshots
from app.exports.formats import Format
from app.jobs.context import JobContext
from app.models import Snapshot


def run(context: JobContext) -> None:
    """Write the file by its content, then name it in the transaction that ends the job: a killed run left nothing."""
    payload = context.claim.payload
    with context.db.read() as session:
        asked = session.get_one(Snapshot, payload["snapshot_id"])
    context.report("export", format=asked.format)
    written = snapshots.build(
        context.db, context.storage, asked.project_id, cast(Format, asked.format), payload["what"], asked.audio
    )
    result = {"export_id": asked.id, "digest": written.sha256, "size_bytes": written.size_bytes, "n": written.n}
    with context.conclude(result) as session:
        snapshots.finish(session, asked.id, written, now=utcnow())
