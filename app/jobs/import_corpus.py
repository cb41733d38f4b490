"""import_corpus: read a manifest or a corpus folder into the project."""

from dataclasses import asdict
from pathlib import Path

from app.imports.service import ImportProgress, import_corpus
from app.jobs.context import JobContext


def run(context: JobContext) -> None:
    """Import in short transactions of its own: what a killed run had imported, the next one finds unchanged."""
    payload = context.claim.payload
    reports = import_corpus(
        context.db,
        context.storage,
        context.claim.project_id,
        Path(payload["path"]),
        payload["labels"],
        context.settings.max_clip_s,
    )
    last: ImportProgress | None = None
    for last in reports:
        context.report("import", done=last.done, total=last.total, created=last.report.created)
    assert last is not None, "an import always reports"
    with context.conclude(asdict(last.report)):
        pass
