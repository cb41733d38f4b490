"""fine_tune: train a classifier for each arm of a round on the labels that arm has."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from al_core.checkpoint import save_checkpoint
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.peft.methods import FineTuned
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips, labels_digest
from al_core.train import DivergedError, StepReport, fine_tune
from app.db import utcnow
from app.jobs import queue
from app.jobs.context import JobContext
from app.jobs.finishing import keep_other
from app.jobs.heard import refuse_heard
from app.jobs.labelled import labelled_clips, why_untrainable
from app.jobs.runs import drop_run, resuming, run_folder, sweep_runs
from app.labels import service as labels
from app.labels.deciding import decisions
from app.models import Arm, Checkpoint, Round, RoundState
from app.projects.stages import first_stage
from app.rounds.moves import move
from app.specs import as_json, read_recipe, read_scheme


@dataclass(frozen=True, slots=True)
class Run:
    """What all arms of a round share."""

    turn: Round
    recipe: Recipe  # as the science reads it: it starts from a folder, where the round's own names a checkpoint
    scheme: Scheme
    encoder: SpeechEncoder
    clips: dict[int, Clip]
    pool: tuple[Clip, ...]  # training clips: no dev or test audio may shape what is trained
    dev: LabelledClips | None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run ended with: its last report, the classifier to keep, what to act on, and what was decided."""

    last: StepReport
    classifier: FineTuned
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def run(context: JobContext) -> None:
    """Train the arms one after the other; one whose labels teach nothing is left out, and the round says so."""
    sweep_runs(context)
    shared = _prepare(context)
    turn = shared.turn
    trained: list[Checkpoint] = []
    left_out: list[str] = []
    for arm in (Arm.STRATEGY, Arm.CONTROL) if turn.control_size else (Arm.STRATEGY,):
        with context.db.read() as session:
            decided = decisions(session, turn.project_id)
            own = labels.of_arm(session, turn.project_id, arm, shared.scheme, decided.clips)
        why = why_untrainable(own, shared.scheme, arm)
        if why is None:
            trained.append(_train(context, shared, arm, own, decided.digest))
        else:
            left_out.append(why)
    sentence = "; ".join(left_out) or None
    warnings = [*turn.warnings, *(f"{c.arm} arm: {warning}" for c in trained for warning in c.report["warnings"])]
    result = {"labels": {c.arm: c.report["n_labels"] for c in trained}, "left_out": sentence}
    with context.conclude(result) as session:
        session.add_all(trained)
        session.flush()
        result["checkpoints"] = {c.arm: c.id for c in trained}
        told = {"error": sentence, "warnings": warnings}
        if trained:
            move(session, turn.id, RoundState.FINE_TUNING, RoundState.EVALUATING, **told)
            queue.enqueue(session, "evaluate", turn.project_id, round_id=turn.id, now=utcnow())
        else:
            move(session, turn.id, RoundState.FINE_TUNING, RoundState.FINISHED, **told, finished_at=utcnow())
    drop_run(context)


def _prepare(context: JobContext) -> Run:
    turn, scheme = context.round(), read_scheme(context.project().scheme)
    clips, encoder, recipe = context.clips(), context.encoder(), read_recipe(turn.recipe)
    refuse_heard(context, encoder)
    with context.db.read() as session:
        dev = labels.references(session, turn.project_id, "dev", scheme)
        if recipe.start is not None:
            folder = context.settings.data / first_stage(session, recipe.start).folder
            recipe = replace(recipe, start=replace(recipe.start, checkpoint=str(folder)))
    return Run(
        turn=turn,
        recipe=recipe,
        scheme=scheme,
        encoder=encoder,
        clips=clips,
        pool=tuple(context.clips("train").values()),
        dev=labelled_clips(dev, clips, scheme) if dev else None,
    )


def _train(
    context: JobContext, shared: Run, arm: Arm, own: list[labels.Label], estimate_digest: str | None
) -> Checkpoint:
    """Fine-tune one arm and save its checkpoint; the folder's name carries the fence, so no two holders share it."""
    train = labelled_clips(own, shared.clips, shared.scheme)
    trained = _fine_tune(context, shared, arm, train)
    last = trained.last
    digest = labels_digest([clip.key for clip in train.clips], train.targets, train.dimensions)
    folder = f"checkpoints/round-{shared.turn.id}-{arm}-{context.claim.job_id}-{context.claim.fence}"
    save_checkpoint(context.settings.data / folder, trained.classifier, digest)
    compared = keep_other(context.settings.data, folder, last.finished, digest)
    return Checkpoint(
        project_id=shared.turn.project_id,
        round_id=shared.turn.id,
        arm=arm,
        kind="classifier",
        folder=folder,
        encoder_digest=shared.encoder.digest,
        labels_digest=digest,
        recipe=shared.turn.recipe,
        report={
            "n_labels": len(own),
            "estimate_digest": estimate_digest,
            "minutes": _minutes(own, shared.clips),
            "epoch": last.epoch,
            "loss": last.loss,
            "dev_uar": last.dev_uar,
            "dev_ccc": last.dev_ccc,
            "n_trainable": last.n_trainable,
            "seconds": round(last.seconds, 3),
            "scheme": as_json(shared.scheme),
            "warnings": list(trained.warnings),
            "notes": list(trained.notes),
        }
        | compared,
        created_at=utcnow(),
    )


def _fine_tune(context: JobContext, shared: Run, arm: Arm, train: LabelledClips) -> Trained:
    """Train, or go on where a killed attempt was. A run that diverges ends with its last good weights and a warning."""

    def start(state: Path) -> Iterator[StepReport]:
        return fine_tune(
            shared.recipe, shared.scheme, shared.encoder, context.store, train, shared.dev, shared.pool, state=state
        )

    last: StepReport | None = None
    warnings: list[str] = []
    notes: list[str] = []
    try:
        for last in resuming(run_folder(context) / arm, start):
            told = {"step": last.step, "steps": last.steps, "epoch": last.epoch, "loss": last.loss}
            context.report(f"{last.stage} {arm}", **told, dev_uar=last.dev_uar, dev_ccc=last.dev_ccc)
            warnings += [last.warning] if last.warning else []
            notes += [last.note] if last.note else []
    except DivergedError as error:
        assert last is not None, "a run reports before its first step"
        return Trained(last, error.classifier, (*warnings, str(error)), tuple(notes))
    assert last is not None and last.classifier is not None, "the last report carries the classifier"
    return Trained(last, last.classifier, tuple(warnings), tuple(notes))


def _minutes(own: list[labels.Label], clips: dict[int, Clip]) -> float:
    """Minutes annotators listened to for these labels: a clip counts once an answer, a reference label never."""
    return round(sum(clips[label.clip_id].duration_s * label.n_answers for label in own) / 60, 4)
