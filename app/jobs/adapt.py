"""adapt: TAPT on the project's own training audio; the adapted encoder becomes the project's if it does not lose."""

import json
from collections.abc import Iterator
from typing import Any

from al_core.encoders import SpeechEncoder, open_encoder
from app.adaptation.overview import folder_of
from app.adaptation.service import guard_of
from app.checkpoints.service import use_encoder
from app.db import utcnow
from app.jobs.context import JobContext
from app.jobs.heard import refuse_heard
from app.jobs.tapt_progress import progress_of
from app.jobs.tapt_verdict import give_verdict, with_verdict
from app.models import Checkpoint
from app.specs import as_json, read_tapt_recipe
from tapt.heard import read_heard, write_heard
from tapt.pretrain import pretrain
from tapt.report import TaptReport


def run(context: JobContext) -> None:
    """Adapt the encoder the operator named. The folder carries the run's id, so a broken run goes on where it was."""
    payload = context.claim.payload
    recipe = read_tapt_recipe(payload["recipe"])
    training = [clip for i, clip in context.clips("train").items() if i <= payload["last_clip_id"]]
    held_out = {clip.key for split in ("dev", "test") for clip in context.clips(split).values()}
    folder = folder_of(payload.get("run", context.claim.job_id))
    place = context.settings.data / folder
    named = context.named_encoder()
    refuse_heard(context, named)
    last = _told(context, pretrain(recipe, named, training, place, held_out))
    heard = {clip.key for clip in training} | (read_heard(named.source) or set())
    write_heard(place, heard)
    adapted = open_encoder(place)
    verdict = _verdict(context, adapted, heard)
    manifest = json.loads((place / "tapt.json").read_text(encoding="utf-8"))
    checkpoint = Checkpoint(
        project_id=context.claim.project_id,
        kind="encoder",
        folder=folder,
        encoder_digest=adapted.digest,
        recipe=as_json(recipe),
        report=with_verdict(manifest, verdict),
        created_at=utcnow(),
    )
    result = {
        "loss": last.loss, "units_used": last.units_used, "steps": last.steps, "seconds": round(last.seconds, 3),
        "verdict": verdict["sentence"],
    }  # fmt: skip
    with context.conclude(result) as session:
        session.add(checkpoint)
        session.flush()
        result["checkpoint_id"] = checkpoint.id
        if verdict["activated"]:
            use_encoder(session, checkpoint, now=utcnow())


def _told(context: JobContext, reports: Iterator[TaptReport]) -> TaptReport:
    """Pretrain, telling how it goes; its last report."""
    last: TaptReport | None = None
    first: TaptReport | None = None  # of this attempt's steps: the pace is its own
    for last in reports:
        if last.stage == "train" and first is None:
            first = last
        context.report(last.stage, **progress_of(last, first))
    assert last is not None, "pretrain always ends with a report"
    return last


def _verdict(context: JobContext, adapted: SpeechEncoder, heard: set[str]) -> dict[str, Any]:
    guard = guard_of(context.claim.payload)
    against = context.project().encoder_checkpoint_id
    return give_verdict(context, guard, context.encoder(), adapted, heard, against)
