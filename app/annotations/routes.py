"""What annotators do: lease clips, answer, skip, take back, revise; and the progress everybody may see."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from app.accounts.tokens import Caller
from app.annotations import closing, history, offers, progress, service
from app.annotations.leases import LeaseId
from app.annotations.overlap import set_overlap
from app.annotations.rendering import annotation_response, offer_response, undone_response
from app.annotations.schemas import (
    AnnotationIn,
    AnnotationOut,
    HistoryOut,
    LeaseBeat,
    LeaseRequest,
    LeasesOut,
    OverlapIn,
    OverlapOut,
    ProgressOut,
    SkipIn,
    UndoIn,
    UndoneOut,
)
from app.annotations.undo import undo
from app.db import utcnow
from app.dependencies import Annotator, DbDep, Operator, RowId, Viewer, WriterDep
from app.errors import problems
from app.quick import QuickRoute
from app.writer import Writer

router = APIRouter(route_class=QuickRoute, tags=["annotations"], responses=problems(401, 403, 404, 422))

_NOBODY = LeaseId(0, 0)
_KEY = Header(
    alias="Idempotency-Key", min_length=1, max_length=180, description="New for every answer, the same when repeated."
)
Key = Annotated[str, _KEY]
OptionalKey = Annotated[str | None, _KEY]


@router.post("/projects/{project_id}/leases", summary="Lease the next clips", response_model=LeasesOut)
async def lease_clips(project_id: RowId, body: LeaseRequest, writer: WriterDep, caller: Annotator) -> Response:
    """Clips nobody else holds, that this annotator has not had, in the round's order. A test may come first."""
    work = partial(offers.offer, project_id=project_id, account_id=caller.id, count=body.count, now=utcnow())
    return offer_response(await writer.run(work))


@router.get("/projects/{project_id}/leases", summary="List the clips you hold", response_model=LeasesOut)
def list_leases(project_id: RowId, db: DbDep, caller: Annotator) -> Response:
    """What this annotator holds now, in order: a page that was reloaded goes on with them."""
    with db.read() as session:
        return offer_response(offers.held(session, project_id, caller.id))


@router.post("/leases/{lease_id}/heartbeat", summary="Keep a lease", responses=problems(409))
def keep_lease(lease_id: str, db: DbDep, caller: Annotator) -> LeaseBeat:
    """Extend the lease by the project's lease time. 409 `lease_lost` when somebody else took the clip meanwhile."""
    with db.write() as session:
        lease = service.heartbeat(session, LeaseId.parse(lease_id), caller.id, now=utcnow())
    return LeaseBeat(lease_id=str(lease.id), expires_at=lease.expires_at)


@router.post("/leases/{lease_id}/release", status_code=204, summary="Give a clip back", responses=problems(409))
def release_lease(lease_id: str, db: DbDep, caller: Annotator) -> None:
    """End the lease without an answer: the clip is free for anybody, this annotator included."""
    with db.write() as session:
        service.release(session, LeaseId.parse(lease_id), caller.id)


@router.post(
    "/leases/{lease_id}/annotation",
    status_code=201,
    summary="Answer a clip",
    response_model=AnnotationOut,
    responses=problems(409),
)
async def annotate(lease_id: str, body: AnnotationIn, key: Key, writer: WriterDep, caller: Annotator) -> Response:
    """Append an annotation; 201 only after it is stored. The same `Idempotency-Key` again returns the first answer.

    A lease that expired is still good as long as nobody else took the clip.
    """
    return await _answer(_said(LeaseId.parse(lease_id), body), key, writer, caller)


@router.post(
    "/leases/{lease_id}/skip",
    status_code=201,
    summary="Skip a clip",
    response_model=AnnotationOut,
    responses=problems(409),
)
async def skip(lease_id: str, body: SkipIn, writer: WriterDep, caller: Annotator, key: OptionalKey = None) -> Response:
    """Append a skip. The project says for each reason whether others are asked, you again later, or nobody."""
    given = service.Answer(LeaseId.parse(lease_id), None, body.reason, body.comment, body.seconds)
    return await _answer(given, key or f"skip {lease_id}", writer, caller)


def _said(lease: LeaseId, body: AnnotationIn) -> service.Answer:
    return service.Answer(
        lease,
        body.label,
        None,
        body.comment,
        body.seconds,
        body.intensities,
        body.unclear,
        body.dimensions,
        body.scheme_version,
    )


async def _answer(given: service.Answer, key: str, writer: Writer, caller: Caller) -> Response:
    stored = await writer.run(partial(service.answer, given=given, account_id=caller.id, key=key, now=utcnow()))
    if stored.ending is not None:
        project_id, round_id = stored.ending
        await writer.run(partial(closing.close_if_done, project_id=project_id, round_id=round_id, now=utcnow()))
    return annotation_response(stored.annotation, stored.repeated)


@router.post(
    "/projects/{project_id}/undo", summary="Take your newest answers back", response_model=UndoneOut,
    responses=problems(409),
)  # fmt: skip
def undo_answers(project_id: RowId, body: UndoIn, key: Key, db: DbDep, caller: Annotator) -> Response:
    """The clips are yours again, to be answered anew; what you had said is kept as history and counts no more.

    409 `nothing_to_undo` when the newest cannot come back: its round has closed (revise it instead), or somebody else
    has the clip. The same `Idempotency-Key` again takes nothing more back.
    """
    now = utcnow()
    with db.write() as session:
        lease_s = offers.project_now(session, project_id, caller.id).lease_s
        return undone_response(undo(session, project_id, caller.id, body.count, key, lease_s, now=now))


@router.post(
    "/annotations/{annotation_id}/revision", status_code=201, summary="Change an answer",
    response_model=AnnotationOut, responses=problems(409),
)  # fmt: skip
def revise_annotation(annotation_id: RowId, body: AnnotationIn, key: Key, db: DbDep, caller: Annotator) -> Response:
    """Append an answer that counts instead of an earlier one of yours, which is kept. It may be of a closed round."""
    with db.write() as session:
        given = _said(_NOBODY, body)
        stored = service.revise(session, annotation_id, given, caller.id, key, now=utcnow())
    return annotation_response(stored.annotation, stored.repeated)


@router.get("/projects/{project_id}/annotations/mine", summary="List your own answers")
def list_my_annotations(
    project_id: RowId,
    db: DbDep,
    caller: Annotator,
    before: Annotated[
        int | None, Query(ge=1, le=2_147_483_647, description="Only older ones: `next_before` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Rows a page.")] = 50,
) -> HistoryOut:
    """Your answers and skips, the newest first, also those you took back or revised."""
    with db.read() as session:
        return history.history(session, project_id, caller.id, before, limit)


@router.put(
    "/rounds/{round_id}/clips/{clip_id}/overlap", summary="Say how many answers one clip gets", responses=problems(409)
)
def change_overlap(round_id: RowId, clip_id: RowId, body: OverlapIn, db: DbDep, caller: Operator) -> OverlapOut:
    """Want another number of answers for this clip than the round's own rule gives. The round must be annotating."""
    with db.write() as session:
        overlap = set_overlap(session, round_id, clip_id, body.overlap, now=utcnow())
    return OverlapOut(clip_id=clip_id, overlap=overlap)


@router.get("/projects/{project_id}/progress", summary="How far is the project")
def get_progress(project_id: RowId, db: DbDep, caller: Viewer) -> ProgressOut:
    """Clips, labels bought, the newest round, and who answered how much."""
    with db.read() as session:
        return progress.progress(session, project_id)
