"""What a project knows about stopping, read from its curve, its checkpoints' reports and its annotations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import Row, exists, func, select
from sqlalchemy.orm import Session

from al_core.stopping.advice import Evidence, Time, advise
from al_core.stopping.learning_curve import CurvePoint as Point
from al_core.stopping.measure import Measure
from app.advice.schemas import AdviceOut, CriterionOut, GainOut, LawOut
from app.labels.given import is_answer
from app.labels.service import count_bought
from app.models import Annotation, Arm, Checkpoint, Clip, CurvePoint, Pick, Project, Round
from app.projects.service import get_project
from app.specs import read_scheme

# A 95 % interval of a normal figure is this many standard errors wide.
INTERVAL_ERRORS = 2 * 1.96


@dataclass(frozen=True, slots=True)
class Known:
    """Evidence, with what the question about it is asked by when the caller does not say."""

    project_id: int
    evidence: Evidence
    first_round: int | None
    batch_size: int
    seed: int


def collect(session: Session, project_id: int) -> Known:
    """What the strategy's rounds say since something last changed that bends the curve.

    Rounds with another encoder, recipe, scheme or other test clips than the newest are on another curve.

    Raises:
        NotFoundError: there is no such project.
    """
    project = get_project(session, project_id)
    measure = Measure.UAR if read_scheme(project.scheme).classes else Measure.CCC
    rows = _since_change(_points(session, project_id))
    sets = [row.report.get("stop_set") or {} for row in rows]
    points = [(row, _point(row, measure)) for row in rows]
    minutes, time = _minutes_per_label(session, project)
    evidence = Evidence(
        points=[point for _, point in points if point is not None],
        measure=measure,
        kappas=[one["kappa"] for one in sets if one.get("kappa") is not None],
        entropies=[one["entropy"] for one in sets if one.get("entropy") is not None],
        minutes_per_label=minutes,
        time=time,
        budget_left=None if project.budget is None else max(0, project.budget - count_bought(session, project_id)),
        pool_left=_pool_left(session, project_id),
    )
    first = next((row.number for row, point in points if point is not None), None)
    return Known(project_id, evidence, first, project.batch_size, project.seed)


def judge(known: Known, n_labels: int | None, worth: float) -> AdviceOut:
    """The advice on `n_labels` more labels, or on a round's."""
    said = advise(known.evidence, n_labels or known.batch_size, worth, known.seed)
    law = said.curve
    return AdviceOut(
        project_id=known.project_id,
        verdict=said.verdict,
        sentence=said.sentence,
        measure=known.evidence.measure,
        first_round=known.first_round,
        n_points=len(known.evidence.points),
        worth=said.worth,
        gain=None if said.gain is None else GainOut.model_validate(said.gain),
        minutes=said.minutes,
        time=known.evidence.time,
        criteria=[CriterionOut(**asdict(one)) for one in said.criteria],
        law=None if law is None else LawOut.model_validate(law),
    )


def _points(session: Session, project_id: int) -> Sequence[Row[Any]]:
    """The strategy's points in order of round, with what tells whether they are on one curve."""
    wanted = (
        select(
            CurvePoint.n_labels,
            CurvePoint.uar,
            CurvePoint.uar_low,
            CurvePoint.uar_high,
            CurvePoint.figures,
            Round.number,
            Round.recipe,
            Round.encoder_digest,
            Checkpoint.report,
        )
        .join(Round, Round.id == CurvePoint.round_id)
        .join(Checkpoint, Checkpoint.id == CurvePoint.checkpoint_id)
        .where(CurvePoint.project_id == project_id, CurvePoint.arm == Arm.STRATEGY)
        .order_by(Round.number)
    )
    return session.execute(wanted).all()


def _since_change(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    newest = list(reversed(rows))
    return list(takewhile(lambda row: _setting(row) == _setting(newest[0]), newest))[::-1]


def _setting(row: Row[Any]) -> tuple[Any, ...]:
    """What a curve is of: a change of any of these begins another one."""
    return row.encoder_digest, row.recipe, row.report.get("scheme"), row.figures.get("n")


def _point(row: Row[Any], measure: Measure) -> Point | None:
    """The point as the criteria read it; None where it has no figure or no label."""
    if row.n_labels < 1:
        return None
    if measure is Measure.UAR:
        return None if row.uar is None else Point(row.n_labels, row.uar, _error(row.uar_low, row.uar_high))
    found = [one for one in row.figures.get("dimensions") or [] if one["ccc"] is not None]
    if not found:
        return None
    errors = [_error(one.get("ccc_low"), one.get("ccc_high")) for one in found]
    known = [error for error in errors if error is not None]
    # The dimensions of one clip go together, so the error of their mean is not taken to be below the mean of theirs.
    error = sum(known) / len(known) if len(known) == len(found) else None
    return Point(row.n_labels, sum(one["ccc"] for one in found) / len(found), error)


def _error(low: float | None, high: float | None) -> float | None:
    if low is None or high is None or high <= low:
        return None
    return (high - low) / INTERVAL_ERRORS


def _minutes_per_label(session: Session, project: Project) -> tuple[float | None, Time]:
    """What a label takes: the seconds reported with the answers, or the audio itself, once an answer that is wanted."""
    spent = select(func.sum(Annotation.seconds), func.count(Annotation.clip_id.distinct())).where(
        Annotation.project_id == project.id, Annotation.seconds.is_not(None), is_answer()
    )
    seconds, n_labels = session.execute(spent).one()
    if seconds and n_labels:
        return seconds / n_labels / 60, "annotators' time"
    length = select(func.avg(Clip.end_s - Clip.start_s)).where(Clip.project_id == project.id, Clip.split == "train")
    mean = session.execute(length).scalar_one()
    return None if mean is None else float(mean) * project.overlap / 60, "listening"


def _pool_left(session: Session, project_id: int) -> int:
    """Training clips that the strategy has not picked and that came without a reference label."""
    picked = exists().where(Pick.clip_id == Clip.id, Pick.arm == Arm.STRATEGY)
    left = select(func.count()).where(
        Clip.project_id == project_id,
        Clip.split == "train",
        Clip.reference_label.is_(None),
        Clip.reference_dimensions.is_(None),
        ~picked,
    )
    return session.execute(left).scalar_one()
