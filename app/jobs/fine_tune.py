"""fine_tune: train a classifier for each arm of a round on the labels that arm has."""

from dataclasses import dataclass

import numpy as np

from al_core.checkpoint import save_checkpoint
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips, labels_digest
from al_core.train import StepReport, fine_tune
from app.db import utcnow
from app.jobs import queue
from app.jobs.context import JobContext
from app.labels import service as labels
from app.models import Arm, Checkpoint, Round, RoundState
from app.rounds.moves import move
from app.specs import as_json, read_recipe, read_scheme


@dataclass(frozen=True, slots=True)
class Run:
    """What all arms of a round share."""

    turn: Round
    recipe: Recipe
    scheme: Scheme
    encoder: SpeechEncoder
    clips: dict[int, Clip]
    pool: tuple[Clip, ...]  # training clips: no dev or test audio may shape what is trained
    dev: LabelledClips | None


def run(context: JobContext) -> None:
    """Train the arms one after the other; one whose labels are all of one class is left out, and the round says so."""
    shared = _prepare(context)
    turn = shared.turn
    trained: list[Checkpoint] = []
    left_out: list[str] = []
    for arm in (Arm.STRATEGY, Arm.CONTROL) if turn.control_size else (Arm.STRATEGY,):
        with context.db.read() as session:
            own = labels.of_arm(session, turn.project_id, arm, shared.scheme)
        if len({label.name for label in own}) < 2:
            left_out.append(
                f"the {len(own)} labels of the {arm} arm name fewer than two classes: annotate more to train it"
            )
        else:
            trained.append(_train(context, shared, arm, own))
    sentence = "; ".join(left_out) or None
    result = {"labels": {c.arm: c.report["n_labels"] for c in trained}, "left_out": sentence}
    with context.conclude(result) as session:
        session.add_all(trained)
        session.flush()
        result["checkpoints"] = {c.arm: c.id for c in trained}
        if trained:
            move(session, turn.id, RoundState.FINE_TUNING, RoundState.EVALUATING, error=sentence)
            queue.enqueue(session, "evaluate", turn.project_id, round_id=turn.id, now=utcnow())
        else:
            move(session, turn.id, RoundState.FINE_TUNING, RoundState.FINISHED, error=sentence, finished_at=utcnow())


def _prepare(context: JobContext) -> Run:
    turn, scheme = context.round(), read_scheme(context.project().scheme)
    clips = context.clips()
    with context.db.read() as session:
        dev = labels.references(session, turn.project_id, "dev", scheme)
    return Run(
        turn=turn,
        recipe=read_recipe(turn.recipe),
        scheme=scheme,
        encoder=context.encoder(),
        clips=clips,
        pool=tuple(context.clips("train").values()),
        dev=_labelled(dev, clips) if dev else None,
    )


def _labelled(own: list[labels.Label], clips: dict[int, Clip]) -> LabelledClips:
    targets = np.array([label.distribution for label in own], dtype=np.float32)  # (n, c)
    return LabelledClips(tuple(clips[label.clip_id] for label in own), targets)


def _train(context: JobContext, shared: Run, arm: Arm, own: list[labels.Label]) -> Checkpoint:
    """Fine-tune one arm and save its checkpoint; the folder's name carries the fence, so no two holders share it."""
    train = _labelled(own, shared.clips)
    last: StepReport | None = None
    for last in fine_tune(shared.recipe, shared.scheme, shared.encoder, context.store, train, shared.dev, shared.pool):
        told = {"step": last.step, "steps": last.steps, "epoch": last.epoch, "loss": last.loss}
        context.report(f"{last.stage} {arm}", **told, dev_uar=last.dev_uar)
    assert last is not None and last.classifier is not None, "the last report carries the classifier"
    digest = labels_digest([clip.key for clip in train.clips], train.targets)
    folder = f"checkpoints/round-{shared.turn.id}-{arm}-{context.claim.job_id}-{context.claim.fence}"
    save_checkpoint(context.settings.data / folder, last.classifier, digest)
    return Checkpoint(
        project_id=shared.turn.project_id,
        round_id=shared.turn.id,
        arm=arm,
        kind="classifier",
        folder=folder,
        encoder_digest=shared.encoder.digest,
        labels_digest=digest,
        recipe=as_json(shared.recipe),
        report={
            "n_labels": len(own),
            "minutes": _minutes(own, shared.clips),
            "epoch": last.epoch,
            "loss": last.loss,
            "dev_uar": last.dev_uar,
            "n_trainable": last.n_trainable,
            "seconds": round(last.seconds, 3),
        },
        created_at=utcnow(),
    )


def _minutes(own: list[labels.Label], clips: dict[int, Clip]) -> float:
    """Minutes annotators listened to for these labels: a clip counts once an answer, a reference label never."""
    return round(sum(clips[label.clip_id].duration_s * label.n_answers for label in own) / 60, 4)
