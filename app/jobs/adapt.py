"""adapt: TAPT on the project's own training audio; the adapted encoder becomes the project's."""

import json

from al_core.encoders import open_encoder
from app.checkpoints.service import use_encoder
from app.db import utcnow
from app.jobs.context import JobContext
from app.models import Checkpoint
from app.specs import as_json, read_tapt_recipe
from tapt.pretrain import pretrain
from tapt.report import TaptReport


def run(context: JobContext) -> None:
    """Adapt the encoder the operator named. The folder carries the job's id, so a killed run goes on where it was."""
    payload = context.claim.payload
    recipe = read_tapt_recipe(payload["recipe"])
    training = {i: clip for i, clip in context.clips("train").items() if i <= payload["last_clip_id"]}
    held_out = {clip.key for split in ("dev", "test") for clip in context.clips(split).values()}
    folder = f"checkpoints/adapt-{context.claim.job_id}"
    place = context.settings.data / folder
    last: TaptReport | None = None
    for last in pretrain(recipe, context.named_encoder(), list(training.values()), place, held_out):
        context.report(
            last.stage,
            step=last.step,
            steps=last.steps,
            loss=last.loss,
            accuracy=last.accuracy,
            unit_perplexity=last.unit_perplexity,
            units_used=last.units_used,
        )
    assert last is not None, "pretrain always ends with a report"
    manifest = json.loads((place / "tapt.json").read_text(encoding="utf-8"))
    checkpoint = Checkpoint(
        project_id=context.claim.project_id,
        kind="encoder",
        folder=folder,
        encoder_digest=open_encoder(place).digest,
        recipe=as_json(recipe),
        report=manifest,
        created_at=utcnow(),
    )
    result = {"loss": last.loss, "units_used": last.units_used, "steps": last.steps, "seconds": round(last.seconds, 3)}
    with context.conclude(result) as session:
        session.add(checkpoint)
        session.flush()
        result["checkpoint_id"] = checkpoint.id
        if payload["activate"]:
            use_encoder(session, checkpoint, now=utcnow())
