"""What annotators do: lease clips, answer or skip them; and the progress everybody may see."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.accounts.tokens import Caller
from app.annotations import leases, progress, service
from app.annotations.leases import LeaseId
from app.annotations.schemas import (
    AnnotationIn,
    AnnotationOut,
    LeaseBeat,
    LeaseOut,
    LeaseRequest,
    LeasesOut,
    ProgressOut,
    SkipIn,
)
from app.db import Database, utcnow
from app.dependencies import Annotator, DbDep, RowId, Viewer
from app.errors import problems

router = APIRouter(tags=["annotations"], responses=problems(401, 403, 404, 422))

_KEY = Header(
    alias="Idempotency-Key", min_length=1, max_length=200, description="New for every answer, the same when repeated."
)
Key = Annotated[str, _KEY]
OptionalKey = Annotated[str | None, _KEY]


@router.post("/projects/{project_id}/leases", summary="Lease the next clips")
def lease_clips(project_id: RowId, body: LeaseRequest, db: DbDep, caller: Annotator) -> LeasesOut:
    """Clips nobody else holds, that this annotator has not answered or skipped, in the round's order."""
    with db.read() as session:
        project = service.project_now(session, project_id)
    if not project.remaining:
        return LeasesOut(leases=[], round=project.round, remaining=0)
    with db.write() as session:
        held = leases.claim(session, project_id, caller.id, body.count, project.lease_s, now=utcnow())
    with db.read() as session:
        clips = service.clips_of(session, held)
    given = [_lease_out(lease, clips[lease.clip_id]) for lease in held]
    return LeasesOut(leases=given, round=project.round, remaining=project.remaining)


def _lease_out(lease: leases.Lease, clip: service.ClipToHear) -> LeaseOut:
    return LeaseOut(
        lease_id=str(lease.id),
        expires_at=lease.expires_at,
        clip_id=lease.clip_id,
        audio_url=f"/api/v1/clips/{lease.clip_id}/audio",
        duration_s=clip.duration_s,
        peaks=clip.peaks,
    )


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


@router.post("/leases/{lease_id}/annotation", status_code=201, summary="Answer a clip", responses=problems(409))
def annotate(
    lease_id: str, body: AnnotationIn, key: Key, response: Response, db: DbDep, caller: Annotator
) -> AnnotationOut:
    """Append an annotation; 201 only after it is stored. The same `Idempotency-Key` again returns the first answer.

    A lease that expired is still good as long as nobody else took the clip.
    """
    given = service.Answer(LeaseId.parse(lease_id), body.label, None, body.comment, body.seconds)
    return _answer(given, key, response, db, caller)


@router.post("/leases/{lease_id}/skip", status_code=201, summary="Skip a clip", responses=problems(409))
def skip(
    lease_id: str, body: SkipIn, response: Response, db: DbDep, caller: Annotator, key: OptionalKey = None
) -> AnnotationOut:
    """Append a skip. `bad_audio`, `not_speech`: nobody is asked again. Otherwise somebody else is, never you."""
    given = service.Answer(LeaseId.parse(lease_id), None, body.reason, body.comment, body.seconds)
    return _answer(given, key or f"skip {lease_id}", response, db, caller)


def _answer(given: service.Answer, key: str, response: Response, db: Database, caller: Caller) -> AnnotationOut:
    with db.write() as session:
        stored = service.answer(session, given, caller.id, key, now=utcnow())
    if stored.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return AnnotationOut.model_validate(stored.annotation, from_attributes=True)


@router.get("/projects/{project_id}/progress", summary="How far is the project")
def get_progress(project_id: RowId, db: DbDep, caller: Viewer) -> ProgressOut:
    """Clips, labels bought, the newest round, and who answered how much."""
    with db.read() as session:
        return progress.progress(session, project_id)
