"""Exports: operators take the annotations and labels of a project with them, as they are now or as they were."""

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.clips.playback import audio_response
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, StorageDep
from app.errors import problems
from app.exports import snapshots
from app.exports.formats import EXTENSIONS, MEDIA_TYPES, Format, Plain
from app.exports.schemas import ExportOut, ExportRequest
from app.exports.service import export
from app.exports.source import What
from app.paging import After, Limit, Page

router = APIRouter(tags=["exports"], responses=problems(401, 403, 404, 422))
_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/projects/{project_id}/export",
    summary="Stream annotations or labels",
    response_class=StreamingResponse,
    responses={200: {"description": "One row an annotation, labelled clip or decision; or a task a clip.", "content": {
        MEDIA_TYPES["jsonl"]: _TEXT, MEDIA_TYPES["csv"]: _TEXT, MEDIA_TYPES["label_studio"]: _TEXT,
    }}},
)  # fmt: skip
def export_project(
    project_id: RowId,
    db: DbDep,
    caller: Operator,
    what: Annotated[
        What, Query(description="Every answer with its annotator, what they add up to, or every decision.")
    ] = "annotations",
    format: Annotated[
        Plain, Query(description="JSON lines, CSV with a header, or Label Studio's JSON, which holds everything.")
    ] = "jsonl",
) -> StreamingResponse:
    """Stream what a project holds while it is read. For a file that never changes, ask for an export with `POST`."""
    headers = {"Content-Disposition": f'attachment; filename="{_name(project_id, what, format)}"'}
    return StreamingResponse(export(db, project_id, what, format), media_type=MEDIA_TYPES[format], headers=headers)


@router.post("/projects/{project_id}/exports", status_code=202, summary="Ask for an export that never changes")
def create_export(project_id: RowId, body: ExportRequest, db: DbDep, caller: Operator) -> ExportOut:
    """Queue an export of everything as it is at one moment, and follow its job.

    Once it has succeeded, `GET /exports/{id}` serves the same bytes for ever, and `digest` is their SHA-256: the same
    content has the same digest. `parquet` has a flat column a figure; `audformat` and `datasets` are folders in a ZIP.
    """
    with db.write() as session:
        return ExportOut.of(*snapshots.request(session, project_id, body.format, body.what, body.audio, now=utcnow()))


@router.get("/projects/{project_id}/exports", summary="List exports")
def list_exports(
    project_id: RowId, db: DbDep, caller: Operator, after: After = 0, limit: Limit = 100
) -> Page[ExportOut]:
    """Every export of a project with its digest, in order of id."""
    with db.read() as session:
        found = snapshots.list_snapshots(session, project_id, after, limit + 1)
        return Page.cut([ExportOut.of(*each) for each in found], limit)


@router.get("/exports/{export_id}/receipt", summary="Read an export's receipt")
def get_receipt(export_id: RowId, db: DbDep, caller: Operator) -> ExportOut:
    """What it holds, how far it is, and its digest."""
    with db.read() as session:
        return ExportOut.of(*snapshots.get_snapshot(session, export_id))


@router.head("/exports/{export_id}", include_in_schema=False)
@router.get(
    "/exports/{export_id}",
    summary="Download an export",
    response_class=Response,
    responses=problems(409, 416)
    | {
        200: {"description": "The file, the same for ever.", "content": dict.fromkeys(MEDIA_TYPES.values(), _TEXT)},
        206: {"description": "The ranges asked for: a broken download goes on.", "content": {"*/*": {}}},
        304: {"description": "The client's copy is good."},
    },
)
def download_export(export_id: RowId, request: Request, db: DbDep, storage: StorageDep, caller: Operator) -> Response:
    """The export's bytes, with `Range`, `ETag` (the digest) and `HEAD`. 409 `not_ready` while it is being written."""
    with db.read() as session:
        snapshot, sha256 = snapshots.ready(session, export_id)
    with storage.open(sha256):  # named when a blob is lost
        pass
    format = cast(Format, snapshot.format)
    response = audio_response(request, storage.path(sha256), sha256, MEDIA_TYPES[format])
    name = _name(snapshot.project_id, snapshot.what, format)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _name(project_id: int, what: str, format: Format) -> str:
    return f"project-{project_id}-{what}.{EXTENSIONS[format]}"
