"""What the promoted checkpoint hears in a round's clips: for the order of the queue, and for projects that show it."""

from collections.abc import Iterable

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from al_core.encoders import SpeechEncoder
from al_core.scheme import Scheme
from app.annotations.settings import Annotating
from app.checkpoints.service import promoted
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.models import GoldClip, Guess

Guesses = dict[int, Guess]


def guess(
    context: JobContext, picked: Iterable[int], annotating: Annotating, scheme: Scheme, encoder: SpeechEncoder
) -> Guesses:
    """A guess for each picked clip; none before a classifier of this encoder and scheme is promoted.

    Where annotators see guesses the gold clips get one too: those without would stand out.
    """
    wanted = set(picked)
    with context.db.read() as session:
        checkpoint = promoted(session, context.claim.project_id)
        if annotating.preannotations:
            wanted |= set(
                session.scalars(select(GoldClip.clip_id).where(GoldClip.project_id == context.claim.project_id))
            )
    ids = sorted(wanted)
    if checkpoint is None or checkpoint.encoder_digest != encoder.digest or not ids:
        return {}
    clips = context.clips()
    classifier = open_classifier(context, checkpoint)
    if classifier.scheme.classes != scheme.classes or not scheme.classes:
        return {}
    rows = classifier.predict([clips[i] for i in ids]).probabilities  # (n, c)
    return {
        clip_id: Guess(
            clip_id=clip_id,
            checkpoint_id=checkpoint.id,
            label=scheme.classes[int(np.argmax(row))],
            probabilities={name: round(float(p), 4) for name, p in zip(scheme.classes, row, strict=True)},
        )
        for clip_id, row in zip(ids, rows, strict=True)
    }


def store(session: Session, guesses: Guesses) -> None:
    """Keep the guesses that annotators will be shown; older ones of the same clips are replaced."""
    if not guesses:
        return
    session.execute(delete(Guess).where(Guess.clip_id.in_(guesses.keys())))
    columns = ("clip_id", "checkpoint_id", "label", "probabilities")
    session.execute(insert(Guess), [{name: getattr(one, name) for name in columns} for one in guesses.values()])
