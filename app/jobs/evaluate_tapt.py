"""evaluate_tapt: the verdict on an adapted encoder again, on the labels there are now, and what follows from it."""

from al_core.encoders import open_encoder
from app.adaptation.service import guard_of
from app.checkpoints.service import use_encoder, use_named_encoder
from app.db import utcnow
from app.jobs.context import JobContext
from app.jobs.tapt_verdict import give_verdict, with_verdict
from app.models import Checkpoint
from tapt.heard import read_heard


def run(context: JobContext) -> None:
    """Compare with the encoder in use; one that is in use itself with the named one, and out of use when it loses."""
    payload = context.claim.payload
    guard = guard_of(payload)
    with context.db.read() as session:
        checkpoint = session.get_one(Checkpoint, payload["checkpoint_id"])
    place = context.settings.data / checkpoint.folder
    in_use = context.project().encoder_checkpoint_id
    is_itself = in_use == checkpoint.id
    before = context.named_encoder() if is_itself else context.encoder()
    heard = read_heard(place)
    if heard is None:  # adapted before that was written down: to training clips, whichever they were
        heard = frozenset(clip.key for clip in context.clips("train").values())
    verdict = give_verdict(context, guard, before, open_encoder(place), heard, None if is_itself else in_use)
    result = {"checkpoint_id": checkpoint.id, "outcome": verdict["outcome"], "verdict": verdict["sentence"]}
    with context.conclude(result) as session:
        row = session.get_one(Checkpoint, checkpoint.id)
        row.report = with_verdict(row.report, verdict)
        if verdict["activated"]:
            use_encoder(session, row, now=utcnow())
        elif is_itself and guard.activate == "if_not_worse" and verdict["outcome"] == "worse":
            use_named_encoder(session, row.project_id, now=utcnow())
