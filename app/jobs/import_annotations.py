"""import_annotations: read a file of answers into the project."""

from dataclasses import asdict

from app.imports.annotations import Report, import_annotations
from app.jobs.context import JobContext


def run(context: JobContext) -> None:
    """Import in short transactions of its own: what a killed run had imported, the next one finds unchanged."""
    payload = context.claim.payload
    report = Report()
    with context.storage.open(payload["sha256"]) as file:
        for report in import_annotations(
            context.db,
            context.claim.project_id,
            file,
            payload["format"],
            payload["annotators"],
            payload["make_accounts"],
        ):
            context.report("import", done=report.rows, created=report.created)
    with context.conclude(asdict(report)):
        pass
