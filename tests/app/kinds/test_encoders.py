"""Jobs that embed clips and that adapt the encoder."""

from sqlalchemy import select

from app.adaptation.service import adapt
from app.db import utcnow
from app.jobs import queue
from app.models import Checkpoint, Job, Project
from tapt.promotion import Guard
from tapt.recipe import MaskedUnits, TaptRecipe
from tests.app.kinds.conftest import REST, Tones


def test_tapt_uses_the_training_clips_there_were_and_the_project_uses_its_encoder(tones: Tones) -> None:
    recipe = TaptRecipe(MaskedUnits(units=4), steps=2)
    with tones.db.write() as session:
        adapt(session, tones.project_id, recipe, Guard("never"), now=utcnow())
    assert tones.run() == [("adapt", "succeeded")]
    with tones.db.read() as session:
        checkpoint = session.scalars(select(Checkpoint)).one()
        assert session.get_one(Project, tones.project_id).encoder_checkpoint_id is None
    assert (checkpoint.kind, checkpoint.report["clips"], checkpoint.report["steps"]) == ("encoder", 8, 2)
    with tones.db.write() as session:
        adapt(session, tones.project_id, recipe, Guard("always"), now=utcnow())
    assert tones.run() == [("adapt", "succeeded"), ("embed", "succeeded")]
    with tones.db.read() as session:
        assert session.get_one(Project, tones.project_id).encoder_checkpoint_id is not None
        embedded = session.scalars(select(Job).where(Job.kind == "embed")).one().result
    assert embedded is not None and embedded["encoder_digest"] == checkpoint.encoder_digest


def test_rounds_go_on_after_the_encoder_was_adapted(tones: Tones) -> None:
    tones.open(batch_size=4)
    tones.run()
    tones.annotate()
    tones.run()
    with tones.db.write() as session:
        adapt(session, tones.project_id, TaptRecipe(MaskedUnits(units=4), steps=2), Guard("always"), now=utcnow())
    tones.run()
    turn = tones.open(batch_size=2)
    tones.run()
    tones.annotate()
    assert tones.run() == REST
    with tones.db.read() as session:
        of_strategy = select(Checkpoint.encoder_digest).where(Checkpoint.arm == "strategy").order_by(Checkpoint.id)
        digests = session.scalars(of_strategy).all()
    assert len(set(digests)) == 2
    assert tones.round(turn).encoder_digest == digests[1]


def test_embedding_computes_only_what_is_missing(tones: Tones) -> None:
    counts = []
    for _ in range(2):
        with tones.db.write() as session:
            job = queue.enqueue(session, "embed", tones.project_id, now=utcnow()).id
        tones.run()
        with tones.db.read() as session:
            counts.append(session.get_one(Job, job).result["embedded"])
    assert counts == [20, 0]
