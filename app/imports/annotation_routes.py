"""Answers from elsewhere: an operator uploads a file, a worker reads it row by row."""

import json
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, StorageDep
from app.errors import problems
from app.imports.annotation_schemas import MappingText
from app.imports.annotations import Format
from app.jobs import queue
from app.jobs.schemas import JobOut
from app.projects.service import get_project

router = APIRouter(tags=["imports"], responses=problems(401, 403, 404, 422))


@router.post(
    "/projects/{project_id}/annotation-imports",
    status_code=202,
    summary="Import answers",
    responses=problems(413, 507),
)
def import_answers(
    project_id: RowId,
    db: DbDep,
    storage: StorageDep,
    caller: Operator,
    file: Annotated[UploadFile, File(description="JSON lines or CSV as exported here, or Label Studio's JSON.")],
    format: Annotated[Format, Form(description="What the file is.", examples=["label_studio"])],
    annotators: Annotated[
        MappingText, Form(description="Names in the file → accounts here.", examples=['{"ann@example.org": "ann"}'])
    ] = "{}",
    make_accounts: Annotated[
        bool, Form(description="Make an account that cannot sign in for people who have none; otherwise refuse them.")
    ] = True,
) -> JobOut:
    """Queue the import of answers to clips the project has; follow the job.

    Clips are found by `external_id`, or by `asset_sha256` with its window. The job's result counts what was created,
    revised, unchanged, in conflict and refused, and names the first five hundred of the last two. The same file again
    creates nothing. Answers to clips an open round asks about count in it.
    """
    with db.read() as session:
        get_project(session, project_id)
    sha256 = storage.put(file.file)
    payload = {"sha256": sha256, "format": format, "annotators": json.loads(annotators), "make_accounts": make_accounts}
    with db.write() as session:
        get_project(session, project_id)
        job = queue.enqueue(session, "import_annotations", project_id, payload, now=utcnow())
        return JobOut.model_validate(job)
