"""Rounds: operators open, close, cancel and retry them; everybody with a token may read them."""

from typing import Any

from fastapi import APIRouter

from app.adaptation.overview import notes_on
from app.db import utcnow
from app.dependencies import DbDep, Operator, RowId, SettingsDep, Viewer
from app.errors import problems
from app.jobs.schemas import JobOut
from app.models import OPEN_STATES, Role
from app.paging import After, Limit, Page
from app.projects.checks import check_precision
from app.rounds import service
from app.rounds.schemas import (
    ArmReceiptOut,
    PickOut,
    RoundCreate,
    RoundOut,
    RoundPick,
    RoundWithPicks,
    WhyOut,
)
from app.rounds.why import why, with_receipts

router = APIRouter(tags=["rounds"], responses=problems(401, 403, 404, 422))


@router.post("/projects/{project_id}/rounds", status_code=201, summary="Open a round", responses=problems(409))
def open_round(
    project_id: RowId, db: DbDep, settings: SettingsDep, caller: Operator, body: RoundCreate | None = None
) -> RoundOut:
    """Open the next round: it picks clips, waits for annotators, fine-tunes and evaluates by itself."""
    given = body or RoundCreate()
    if given.recipe is not None:
        check_precision(given.recipe, settings)
    with db.write() as session:
        opened = service.open_round(
            session,
            project_id,
            now=utcnow(),
            strategy=given.strategy,
            recipe=given.recipe,
            batch_size=given.batch_size,
            control_size=given.control_size,
            overlap=given.overlap,
            adaptive=given.adaptive,
        )
        return RoundOut.model_validate(opened)


@router.get("/projects/{project_id}/rounds", summary="List rounds")
def list_rounds(project_id: RowId, db: DbDep, caller: Viewer, after: After = 0, limit: Limit = 100) -> Page[RoundOut]:
    """The project's rounds in order."""
    with db.read() as session:
        rounds = service.list_rounds(session, project_id, after, limit + 1)
        notes = notes_on(session, project_id, rounds)
        shown = [RoundOut.model_validate(one).model_copy(update={"encoder_note": notes.get(one.id)}) for one in rounds]
        return Page.cut(shown, limit)


@router.get("/rounds/{round_id}", summary="Read a round and its receipts")
def get_round(round_id: RowId, db: DbDep, caller: Viewer) -> RoundWithPicks:
    """One round with the clips it picked and why, and what each arm's batch was drawn from."""
    with db.read() as session:
        found = service.get_round(session, round_id)
        visible = caller.may(Role.OPERATOR) or found.state not in OPEN_STATES
        picked = with_receipts(session, service.picks(session, round_id)) if visible else []
        picks = [PickOut.shown_to(caller, one) for one in picked]
        receipts = [ArmReceiptOut.model_validate(one) for one in service.receipts(session, round_id)]
        note = notes_on(session, found.project_id, [found]).get(found.id)
        shown = RoundOut.model_validate(found).model_copy(update={"encoder_note": note})
        told: dict[str, Any] = {"picks": picks, "receipts": receipts} if visible else {"picks": None, "receipts": None}
        return RoundWithPicks(**shown.model_dump(), **told)


@router.get("/projects/{project_id}/clips/{clip_id}/why", summary="Why this clip")
def explain_clip(project_id: RowId, clip_id: RowId, db: DbDep, caller: Viewer) -> WhyOut:
    """Why a round picked this clip, in a sentence.

    Operators may always ask. Annotators and viewers are told once they answered the clip or its round is over, without
    the model's guess while a round that picked it is open; 403 before.
    """
    with db.read() as session:
        found = why(session, project_id, clip_id, caller)
        picks = [RoundPick.of(caller, one) for one in found.picks] or None
        return WhyOut(clip_id=clip_id, sentence=found.sentence, picks=picks)


@router.post(
    "/rounds/{round_id}/replay", status_code=202, summary="Draw a round's batch again", responses=problems(409)
)
def replay_round(round_id: RowId, db: DbDep, caller: Operator) -> JobOut:
    """Queue a `replay` job: its result says whether the batch is the same bit for bit, or what differs.

    409 for a round that has no receipts. Nothing of the round changes.
    """
    with db.write() as session:
        return JobOut.model_validate(service.request_replay(session, round_id, now=utcnow()))


@router.post("/rounds/{round_id}/close", summary="Stop waiting for answers", responses=problems(409))
def close_round(round_id: RowId, db: DbDep, caller: Operator) -> RoundOut:
    """Fine-tune on the answers that came; clips without one go back to the pool."""
    with db.write() as session:
        return RoundOut.model_validate(service.close_round(session, round_id, now=utcnow()))


@router.post("/rounds/{round_id}/cancel", summary="End a round", responses=problems(409))
def cancel_round(round_id: RowId, db: DbDep, caller: Operator) -> RoundOut:
    """End an open round at whatever stage; answers that came stay and count in later rounds."""
    with db.write() as session:
        return RoundOut.model_validate(service.cancel_round(session, round_id, now=utcnow()))


@router.post("/rounds/{round_id}/retry", summary="Retry a failed round", responses=problems(409))
def retry_round(round_id: RowId, db: DbDep, caller: Operator) -> RoundOut:
    """Run the job that failed once more, after its cause was mended."""
    with db.write() as session:
        return RoundOut.model_validate(service.retry_round(session, round_id, now=utcnow()))
