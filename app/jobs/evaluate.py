"""evaluate: a learning-curve point for each arm's checkpoint, on the project's fixed test split."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from al_core.classifier import Classifier
from al_core.evaluation.evaluate import Evaluation, EvaluationError, evaluate
from al_core.recipe import Start
from al_core.strategies.specs import Random, name_of
from app.checkpoints.service import promote_first
from app.db import utcnow
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.jobs.figures import figures_of
from app.jobs.finishing import compare_finish
from app.jobs.measuring import Split, compare_groups, hear, read_split
from app.jobs.stop_set import compare_on_stop_set
from app.jobs.two_stage import Stages
from app.models import Arm, Checkpoint, CurvePoint, Project, Round, RoundState
from app.rounds.moves import move
from app.specs import read_recipe, read_strategy


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one checkpoint, as an evaluation and as a row stores them, and the warnings they give."""

    found: Evaluation
    figures: dict[str, Any]
    warnings: list[str]
    seconds: float


def run(context: JobContext) -> None:
    """Evaluate and finish the round: without a point, but with the reason, when the test split cannot be evaluated."""
    turn, project = context.round(), context.project()
    with context.db.read() as session:
        of_round = select(Checkpoint).where(Checkpoint.round_id == turn.id, Checkpoint.kind == "classifier")
        checkpoints = session.scalars(of_round.order_by(Checkpoint.id)).all()
    points: list[CurvePoint] = []
    warnings: list[str] = list(turn.warnings)
    details: dict[str, object] = {}
    reports: dict[int, dict[str, Any]] = {}
    reason: str | None = None
    start = read_recipe(turn.recipe).start
    try:
        test = read_split(context, "test")
        stages = None if start is None else _stages(context, start, test, warnings)
        for checkpoint in checkpoints:
            context.report("evaluate", arm=checkpoint.arm)
            classifier = open_classifier(context, checkpoint)
            measured = _measure(context, classifier, test, project)
            points.append(_point(turn, checkpoint, measured))
            details[str(checkpoint.arm)] = measured.figures
            grown = {} if stages is None else {"two_stage": stages.compare(classifier)}
            grown |= compare_finish(context, classifier, checkpoint, test)
            if checkpoint.arm == Arm.STRATEGY:
                warnings += measured.warnings
                grown |= _stop_set(context, classifier, checkpoint)
            reports[checkpoint.id] = grown
    except EvaluationError as error:
        reason = f"no learning-curve point: {error}"
    result = {"arms": details, "reason": reason}
    with context.conclude(result) as session:
        sentences = [sentence for sentence in (turn.error, reason) if sentence]
        told = {"error": "; ".join(sentences) or None, "warnings": warnings}
        move(session, turn.id, RoundState.EVALUATING, RoundState.FINISHED, **told, finished_at=utcnow())
        session.add_all(points)
        for checkpoint_id, grown in reports.items():
            row = session.get_one(Checkpoint, checkpoint_id)
            row.report = row.report | grown
        for checkpoint in checkpoints:
            if checkpoint.arm == Arm.STRATEGY:
                promote_first(session, turn.project_id, checkpoint.id, now=utcnow())


def _stages(context: JobContext, start: Start, test: Split, warnings: list[str]) -> Stages | None:
    """The first stage to compare with; when it cannot be compared any more, that is a warning."""
    try:
        return Stages.read(context, start, test)
    except EvaluationError as error:
        warnings.append(f"the two stages are not compared: {error}")
        return None


def _stop_set(context: JobContext, classifier: Classifier, checkpoint: Checkpoint) -> dict[str, Any]:
    found = compare_on_stop_set(context, classifier, checkpoint)
    return {} if found is None else {"stop_set": found}


def _measure(context: JobContext, classifier: Classifier, test: Split, project: Project) -> Measured:
    begun = time.perf_counter()
    predictions = hear(classifier, test)
    found = evaluate(predictions, test.truth, test.speakers, test.scheme)
    seconds = time.perf_counter() - begun
    groups, warnings = compare_groups(context, predictions, test, project.fairness)
    return Measured(found, figures_of(found, test.scheme) | {"fairness": groups}, warnings, seconds)


def _point(turn: Round, checkpoint: Checkpoint, measured: Measured) -> CurvePoint:
    strategy = Random() if checkpoint.arm == Arm.CONTROL else read_strategy(turn.strategy)
    classes = measured.found.classes
    return CurvePoint(
        project_id=turn.project_id,
        round_id=turn.id,
        arm=checkpoint.arm,
        checkpoint_id=checkpoint.id,
        n_labels=checkpoint.report["n_labels"],
        minutes=checkpoint.report["minutes"],
        uar=None if classes is None else classes.uar,
        uar_low=None if classes is None else classes.uar_low,
        uar_high=None if classes is None else classes.uar_high,
        wa=None if classes is None else classes.wa,
        macro_f1=None if classes is None else classes.macro_f1,
        figures=measured.figures,
        strategy=name_of(strategy),
        seed=turn.seed,
        seconds={
            "select": turn.seconds_select or 0.0,
            "train": checkpoint.report["seconds"],
            "evaluate": round(measured.seconds, 3),
        },
        created_at=utcnow(),
    )
