"""evaluate: a learning-curve point for each arm's checkpoint, on the project's fixed test split."""

import time
from dataclasses import asdict

import numpy as np
from sqlalchemy import select

from al_core.evaluate import Evaluation, EvaluationError, evaluate
from al_core.features import Clip
from al_core.scheme import Scheme
from al_core.strategies.specs import Modal, Random
from app.checkpoints.service import promote_first
from app.db import utcnow
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.labels import service as labels
from app.models import Arm, Checkpoint, CurvePoint, Round, RoundState
from app.rounds.moves import move
from app.specs import read_scheme, read_strategy


def run(context: JobContext) -> None:
    """Evaluate and finish the round: without a point, but with the reason, when the test split cannot be evaluated."""
    turn, scheme = context.round(), read_scheme(context.project().scheme)
    clips = context.clips("test")
    with context.db.read() as session:
        truth = labels.references(session, turn.project_id, "test", scheme)
        of_round = select(Checkpoint).where(Checkpoint.round_id == turn.id, Checkpoint.kind == "classifier")
        checkpoints = session.scalars(of_round.order_by(Checkpoint.id)).all()
    points: list[CurvePoint] = []
    details: dict[str, object] = {}
    reason: str | None = None
    for checkpoint in checkpoints:
        context.report("evaluate", arm=checkpoint.arm)
        begun = time.perf_counter()
        try:
            found = _measure(context, checkpoint, truth, clips, scheme)
        except EvaluationError as error:
            reason = f"no learning-curve point: {error}"
            break
        points.append(_point(turn, checkpoint, found, time.perf_counter() - begun))
        details[str(checkpoint.arm)] = asdict(found)
    result = {"arms": details, "reason": reason}
    with context.conclude(result) as session:
        sentences = [sentence for sentence in (turn.error, reason) if sentence]
        told = "; ".join(sentences) or None
        move(session, turn.id, RoundState.EVALUATING, RoundState.FINISHED, error=told, finished_at=utcnow())
        session.add_all(points)
        for checkpoint in checkpoints:
            if checkpoint.arm == Arm.STRATEGY:
                promote_first(session, turn.project_id, checkpoint.id, now=utcnow())


def _measure(
    context: JobContext, checkpoint: Checkpoint, truth: list[labels.Label], clips: dict[int, Clip], scheme: Scheme
) -> Evaluation:
    if not truth:
        raise EvaluationError("no test clip has a reference label: import some with split=test and a label")
    own = [clips[label.clip_id] for label in truth]
    indices = np.array([scheme.index(label.name) for label in truth], dtype=np.int64)
    probabilities = open_classifier(context, checkpoint).predict(own)  # (n, c)
    return evaluate(probabilities, indices, [clip.speaker for clip in own], scheme)


def _point(turn: Round, checkpoint: Checkpoint, found: Evaluation, seconds: float) -> CurvePoint:
    strategy = Random() if checkpoint.arm == Arm.CONTROL else read_strategy(turn.strategy)
    return CurvePoint(
        project_id=turn.project_id,
        round_id=turn.id,
        arm=checkpoint.arm,
        checkpoint_id=checkpoint.id,
        n_labels=checkpoint.report["n_labels"],
        minutes=checkpoint.report["minutes"],
        uar=found.uar,
        uar_low=found.uar_low,
        uar_high=found.uar_high,
        wa=found.wa,
        macro_f1=found.macro_f1,
        strategy=strategy.path if isinstance(strategy, Modal) else strategy.kind,
        seed=turn.seed,
        seconds={
            "select": turn.seconds_select or 0.0,
            "train": checkpoint.report["seconds"],
            "evaluate": round(seconds, 3),
        },
        created_at=utcnow(),
    )
