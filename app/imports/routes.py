"""Imports: an operator names a corpus on the server, a worker reads it."""

from pathlib import Path

from fastapi import APIRouter

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep
from app.errors import InvalidError, problems
from app.imports.schemas import ImportRequest
from app.jobs import queue
from app.jobs.schemas import JobOut
from app.projects.service import get_project

router = APIRouter(tags=["imports"], responses=problems(401, 403, 404, 422))


@router.post("/projects/{project_id}/imports", status_code=202, summary="Import a corpus")
def import_clips(project_id: RowId, body: ImportRequest, db: DbDep, settings: SettingsDep, caller: Operator) -> JobOut:
    """Queue the import of a manifest or a corpus folder; follow the job.

    Its result counts clips created and unchanged, and names those in conflict or refused. Importing the same corpus
    again creates nothing twice.
    """
    path = _below(settings.import_root, body.manifest)
    with db.write() as session:
        get_project(session, project_id)
        payload = {"path": str(path), "labels": body.labels}
        return JobOut.model_validate(queue.enqueue(session, "import_corpus", project_id, payload, now=utcnow()))


def _below(root: Path | None, named: str) -> Path:
    """The path a request names, resolved: never outside of the import folder, whatever links or dots it uses."""
    if root is None:
        raise InvalidError("manifest: this server imports no paths; start it with AFTERLOOP_IMPORT_ROOT=<folder>")
    try:
        path = (root / named).resolve()
        if not path.is_relative_to(root.resolve()):
            raise InvalidError("manifest: the path leaves the import folder; name one below it")
        if not path.exists():
            raise InvalidError(f"manifest: there is no {named!r} in the import folder")
    except (ValueError, OSError, RuntimeError) as error:  # a NUL byte; a name too long; a loop of links
        raise InvalidError(f"manifest: {named[:200]!r} is not a usable path") from error
    return path
