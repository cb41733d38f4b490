"""Label Studio: operators connect, push and pull; Label Studio calls back; its players hear the clips."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.clips.playback import audio_response
from app.clips.service import get_clip
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep, StorageDep
from app.errors import ForbiddenError, NotFoundError, UnauthorizedError, problems
from app.jobs.schemas import JobOut
from app.label_studio import service
from app.label_studio.audio import is_signed
from app.label_studio.schemas import ACTIONS, LinkCreate, LinkOut, Taken, Told
from app.label_studio.taking import take

_SECRET = Header(alias=service.SECRET_HEADER, description="The secret we gave to Label Studio.")
_SIGNATURE = Query(max_length=100, description="Ours, from the address of the task.")


async def _secret(secret: Annotated[str, _SECRET] = "") -> str:
    """What Label Studio sends instead of a token; UnauthorizedError without it."""
    if not secret:
        raise UnauthorizedError(f"send the secret of the connection: `{service.SECRET_HEADER}: <secret>`")
    return secret


async def _signature(signature: Annotated[str, _SIGNATURE] = "") -> str:
    """What a task's address carries instead of a token; UnauthorizedError without it."""
    if not signature:
        raise UnauthorizedError("use the address as it stands in the task, with its signature")
    return signature


router = APIRouter(tags=["label_studio"], responses=problems(401, 403, 404, 422))


@router.post(
    "/projects/{project_id}/label-studio",
    status_code=201,
    summary="Connect to Label Studio",
    responses=problems(409, 502),
)
def connect(project_id: RowId, body: LinkCreate, db: DbDep, settings: SettingsDep, caller: Operator) -> LinkOut:
    """Let a Label Studio project annotate this one: made there from our scheme, or named.

    Label Studio is told to call us when somebody answers.
    """
    wish = service.Wish(body.url, body.token, body.their_project, body.our_url, body.follow)
    return LinkOut.model_validate(service.connect(db, project_id, wish, settings.webhook_allow_private, now=utcnow()))


@router.get("/projects/{project_id}/label-studio", summary="Read the connection")
def get_link(project_id: RowId, db: DbDep, caller: Operator) -> LinkOut:
    """Which Label Studio project annotates this one; never its token."""
    with db.read() as session:
        return LinkOut.model_validate(service.link_of(session, project_id))


@router.delete("/projects/{project_id}/label-studio", status_code=204, summary="Disconnect")
def disconnect(project_id: RowId, db: DbDep, caller: Operator) -> None:
    """End the connection and its audio addresses. What was answered stays here, the tasks stay there."""
    with db.write() as session:
        service.disconnect(session, project_id)


@router.post("/projects/{project_id}/label-studio/push", status_code=202, summary="Push the open round")
def push(project_id: RowId, db: DbDep, caller: Operator) -> JobOut:
    """Give Label Studio every clip the open round asks about, each once, with guesses where the project shows them."""
    with db.write() as session:
        return JobOut.model_validate(service.ask(session, project_id, "push", now=utcnow()))


@router.post("/projects/{project_id}/label-studio/pull", status_code=202, summary="Pull answers")
def pull(project_id: RowId, db: DbDep, caller: Operator) -> JobOut:
    """Take everything that was answered there; what is here already is not taken twice."""
    with db.write() as session:
        return JobOut.model_validate(service.ask(session, project_id, "pull", now=utcnow()))


@router.post("/label-studio/{link_id}/events", summary="What Label Studio calls")
def told(
    link_id: RowId,
    body: Told,
    db: DbDep,
    secret: Annotated[str, Depends(_secret)],
) -> Taken:
    """Store one answer at once. Label Studio calls once and forgets, so a pull finds what was lost on the way."""
    with db.read() as session:
        link = service.get_link(session, link_id)
    if not hmac.compare_digest(secret.encode(), link.secret.encode()):
        raise ForbiddenError(f"{service.SECRET_HEADER}: it is not the secret of connection {link_id}")
    if body.action not in ACTIONS:
        return Taken()
    report = take(db, link, body.task, body.annotation)
    if report is None:
        with db.write() as session:
            service.ask(session, link.project_id, "pull", now=utcnow())
        return Taken(pulled=True)
    return Taken(
        created=report.created,
        revised=report.revised,
        unchanged=report.unchanged,
        conflict=report.conflict,
        refused=report.refused,
    )


@router.head("/label-studio/{link_id}/audio/{clip_id}", include_in_schema=False)
@router.get(
    "/label-studio/{link_id}/audio/{clip_id}",
    summary="Hear a pushed clip",
    response_class=Response,
    responses=problems(416)
    | {
        200: {"description": "The whole clip.", "content": {"audio/*": {}}},
        206: {"description": "The ranges asked for.", "content": {"audio/*": {}}},
    },
)
def get_audio(
    link_id: RowId,
    clip_id: RowId,
    request: Request,
    db: DbDep,
    storage: StorageDep,
    signature: Annotated[str, Depends(_signature)],
) -> Response:
    """A clip's audio for Label Studio's player: no token, but an address that only we can write."""
    with db.read() as session:
        link = service.get_link(session, link_id)
        if not is_signed(link.secret, clip_id, signature):
            raise ForbiddenError("signature: it is not ours; push the round again for fresh addresses")
        clip = get_clip(session, clip_id)
    if clip.project_id != link.project_id:
        raise NotFoundError(f"there is no clip {clip_id} in project {link.project_id}")
    with storage.open(clip.playback_sha256):  # named when a blob is lost
        pass
    response = audio_response(request, storage.path(clip.playback_sha256), clip.playback_sha256, clip.playback_type)
    response.headers["Access-Control-Allow-Origin"] = "*"  # its player fetches; the signature is what guards
    response.headers["Access-Control-Expose-Headers"] = "Content-Range, Content-Length, ETag"
    return response
