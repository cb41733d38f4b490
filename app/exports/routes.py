"""Exports: operators take the annotations and labels of a project with them."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.dependencies import DbDep, Operator, RowId
from app.errors import problems
from app.exports.service import MEDIA_TYPES, Format, What, export

router = APIRouter(tags=["exports"], responses=problems(401, 403, 404, 422))


@router.get(
    "/projects/{project_id}/export",
    summary="Export annotations or labels",
    response_class=StreamingResponse,
    responses={200: {"description": "One row an annotation, or one a labelled clip.", "content": {
        media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()
    }}},
)  # fmt: skip
def export_project(
    project_id: RowId,
    db: DbDep,
    caller: Operator,
    what: Annotated[
        What, Query(description="Every answer with its annotator, or what they add up to.")
    ] = "annotations",
    format: Annotated[Format, Query(description="JSON lines, or CSV with a header.")] = "jsonl",
) -> StreamingResponse:
    """Stream the annotations (with annotator and time) or the labels (with distribution and source) of a project."""
    name = f"project-{project_id}-{what}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(export(db, project_id, what, format), media_type=MEDIA_TYPES[format], headers=headers)
