"""Clips: operators upload them, everybody with a token hears them."""

import threading
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile

from al_core.audio import AudioError
from app.clips import service
from app.clips.context import MOST_CONTEXT_S, around, context_response
from app.clips.form import read_attributes, read_values
from app.clips.ingest import WindowError, check_audio
from app.clips.playback import audio_response
from app.clips.schemas import ClipDetail, ClipOut, SplitName
from app.clips.service import Particulars
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep, StorageDep, Viewer
from app.errors import InvalidError, problems
from app.jobs import queue
from app.paging import After, Limit, Page
from app.projects.service import get_project
from app.specs import read_scheme

# Decoding takes tens of megabytes: one clip at a time keeps the process small, and takes 50 ms.
DECODING = threading.Semaphore(1)

router = APIRouter(tags=["clips"], responses=problems(401, 403, 404, 422))


class AudioRefusedError(InvalidError):
    """The audio cannot become a clip; `code` names why."""

    name = "audio_refused"


@router.post(
    "/projects/{project_id}/clips",
    status_code=201,
    summary="Upload a clip",
    responses=problems(409, 413, 507) | {200: {"description": "The project has this clip already.", "model": ClipOut}},
)
def upload_clip(
    project_id: RowId,
    db: DbDep,
    storage: StorageDep,
    settings: SettingsDep,
    caller: Operator,
    response: Response,
    file: Annotated[UploadFile, File(description="WAV, FLAC, OGG, Opus, MP3, M4A, AAC, WebM or AMR; any rate.")],
    speaker: Annotated[str | None, Form(max_length=200, examples=["03"])] = None,
    session: Annotated[str | None, Form(max_length=200, description="Recording session.", examples=["1"])] = None,
    gender: Annotated[str | None, Form(max_length=50, examples=["f"])] = None,
    text: Annotated[str | None, Form(max_length=10_000, description="What is said.", examples=["Come in."])] = None,
    split: Annotated[SplitName | None, Form(description="train unless given.", examples=["train"])] = None,
    label: Annotated[
        str | None, Form(max_length=200, description="The known answer, one of the classes.", examples=["anger"])
    ] = None,
    dimensions: Annotated[
        str | None,
        Form(
            max_length=2_000,
            description="Known values of the scheme's dimensions, as JSON.",
            examples=['{"arousal": 3.5}'],
        ),
    ] = None,
    attributes: Annotated[
        str | None,
        Form(max_length=10_000, description="What else is known, as JSON of texts.", examples=['{"language": "de"}']),
    ] = None,
    external_id: Annotated[
        str | None, Form(max_length=1000, description="Your name for it, unique.", examples=["03a01Fa"])
    ] = None,
    start_s: Annotated[
        float, Form(ge=0, allow_inf_nan=False, description="Start of the window, in seconds.", examples=[0.0])
    ] = 0.0,
    end_s: Annotated[
        float | None, Form(gt=0, allow_inf_nan=False, description="Its end; the file's if left out.", examples=[2.4])
    ] = None,
) -> ClipOut:
    """Upload one clip, or a window of a recording.

    201 when it is new (an `embed` job is queued in the same transaction), 200 when the project has it and nothing
    that is said of it differs, 409 with `differs` when something does. Audio is refused with a `code`: unreadable,
    empty, too_short, too_long, silent, nan or window.
    """
    said = Particulars(
        external_id=external_id or None,
        speaker=speaker or None,
        session=session or None,
        gender=gender or None,
        text=text or None,
        split=split,
        reference_label=label or None,
        reference_dimensions=read_values(dimensions),
        attributes=read_attributes(attributes),
    )
    with db.read() as reading:
        scheme = read_scheme(get_project(reading, project_id).scheme)
    service.check_label(scheme, said.reference_label)
    service.check_dimensions(scheme, said.reference_dimensions)
    with storage.staged(file.file) as blob:
        try:
            with DECODING:
                checked = check_audio(storage, blob.path, blob.sha256, start_s, end_s, settings.max_clip_s)
        except (AudioError, WindowError) as error:
            code = error.code if isinstance(error, AudioError) else "window"
            raise AudioRefusedError(f"file: {error}", code=code) from error
        storage.keep(blob)
    with db.write() as writing:
        service.lock_project(writing, project_id)
        clip, created = service.add_clip(writing, project_id, checked, said, utcnow())
        if created:
            queue.enqueue(writing, "embed", project_id, now=utcnow())
    response.status_code = 201 if created else 200
    return ClipOut.model_validate(clip)


@router.get("/projects/{project_id}/clips", summary="List a project's clips")
def list_clips(
    project_id: RowId,
    db: DbDep,
    caller: Viewer,
    split: Annotated[SplitName | None, Query(description="Only this split.")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> Page[ClipOut]:
    """Clips in order of id, without their waveforms."""
    with db.read() as reading:
        get_project(reading, project_id)
        clips = service.list_clips(reading, project_id, split, after, limit + 1)
        return Page.cut([ClipOut.shown_to(caller, clip) for clip in clips], limit)


@router.get("/clips/{clip_id}", summary="Read a clip")
def get_clip(clip_id: RowId, db: DbDep, caller: Viewer) -> ClipDetail:
    """One clip with its waveform's peaks."""
    with db.read() as reading:
        return ClipDetail.shown_to(caller, service.get_clip(reading, clip_id))


@router.head("/clips/{clip_id}/audio", include_in_schema=False)
@router.get(
    "/clips/{clip_id}/audio",
    summary="Hear a clip",
    response_class=Response,
    responses=problems(416)
    | {
        200: {"description": "The whole clip.", "content": {"audio/*": {}}},
        206: {"description": "The ranges asked for.", "content": {"audio/*": {}}},
        304: {"description": "The client's copy is good."},
    },
)
def get_audio(
    clip_id: RowId,
    request: Request,
    db: DbDep,
    storage: StorageDep,
    caller: Viewer,
    context_s: Annotated[
        float,
        Query(
            ge=0,
            le=MOST_CONTEXT_S,
            allow_inf_nan=False,
            description="Seconds of the recording to hear before and after the clip. The answer's `Clip-Starts-At` "
            "then says where the clip begins in it.",
        ),
    ] = 0.0,
) -> Response:
    """The clip's audio as a browser plays it, with `Range`, `ETag` and `HEAD`; with context, whole and as FLAC."""
    with db.read() as reading:
        clip = service.get_clip(reading, clip_id)
        recording_s = service.recording_s(reading, clip)
    wide = around(clip.start_s, clip.end_s, recording_s, context_s)
    blob = clip.playback_sha256 if wide.is_only(clip.start_s, clip.end_s) else clip.asset_sha256
    with storage.open(blob):  # named when a blob is lost
        pass
    if blob == clip.playback_sha256:
        return audio_response(request, storage.path(blob), blob, clip.playback_type)
    with DECODING:
        return context_response(request, storage.path(blob), blob, clip.start_s, wide)
